import * as fc from 'fast-check'
import t from 'tap'
import { createFragmentJoiner } from '../../handlers/mesh/fragments.js'
import { encodeEixamTel } from '../support/mesh-packets.js'
import { NOW, readOn } from '../support/mesh-reading.js'

const position = { latitude: 41, longitude: 2, altitude: 120 }
const whole = Buffer.concat([
  Buffer.from([0xd2]),
  encodeEixamTel({ device: 7, position }),
  Buffer.from([0xf6, 0xc4]),
  encodeEixamTel({ device: 8, position }),
])

function part(bytes: Buffer, offset: number, end: number, total = bytes.length): Buffer {
  const head = Buffer.from([0xd0, total & 0xff, total >> 8, offset & 0xff, offset >> 8])
  return Buffer.concat([head, bytes.subarray(offset, end)])
}

/** A joiner that reads what a gateway forwards for a device, and tells about whom the messages are. */
function createReader(options: Parameters<typeof createFragmentJoiner>[0] = {}) {
  const join = createFragmentJoiner(options)
  return (bytes: Buffer, { device = 'A', now = NOW, appId = 'app' } = {}) => {
    const reading = readOn(`gw/tel/${device}`, { eixam: bytes.toString('hex') }, { now })
    const messages = reading.is === 'messages' ? join(appId, reading.messages) : []
    return messages.map(({ content, relayedDevice }) => `${content.is} ${relayedDevice ?? 'own'}`)
  }
}

const BOTH = ['position own', 'position 7']

t.test('parts of a packet become its messages when the last of them is there', async (t) => {
  const read = createReader()
  t.strictSame(read(part(whole, 0, 15)), [])
  t.strictSame(read(part(whole, 15, 23)), BOTH)
  t.strictSame(read(part(whole, 15, 23)), [], 'and the next packet begins')
  t.strictSame(read(part(whole, 0, 15)), BOTH)
  t.strictSame(read(encodeEixamTel({ device: 9, position })), ['position own'], 'what is whole passes')
})

t.test('parts of different senders and apps do not mix', async (t) => {
  const read = createReader()
  t.strictSame(read(part(whole, 0, 15), { device: 'A' }), [])
  t.strictSame(read(part(whole, 15, 23), { device: 'B' }), [])
  t.strictSame(read(part(whole, 15, 23), { device: 'A', appId: 'other' }), [])
  t.strictSame(read(part(whole, 15, 23), { device: 'A' }), BOTH)
})

t.test('a part that came twice counts once, one that contradicts begins anew', async (t) => {
  const read = createReader()
  t.strictSame(read(part(whole, 0, 15)), [])
  t.strictSame(read(part(whole, 0, 15)), [])
  t.strictSame(read(part(whole, 14, 23)), [], 'overlaps: a new packet')
  t.strictSame(read(part(whole, 0, 14)), BOTH)
  read(part(whole, 0, 15))
  t.strictSame(read(part(whole, 15, 22, 22)), [], 'of another length: a new packet')
  read(part(whole, 0, 15))
  t.strictSame(read(part(whole, 15, 23, 20)), [], "passes the end of its packet: nobody's")
  read(part(whole, 0, 15))
  const other = Buffer.from(whole).fill(1, 5, 9)
  read(part(whole, 0, 10))
  read(part(whole, 10, 20))
  t.strictSame(read(part(other, 0, 10)), [], 'other bytes in the same place: a new packet')
  t.strictSame(read(part(other, 20, 23)), [])
  t.strictSame(read(part(other, 10, 20)), BOTH)
  read(part(whole, 0, 15))
  t.strictSame(read(part(whole, 15, 23), { now: NOW + 10_000 }), [], 'too late: a new packet')
  t.strictSame(read(part(whole, 0, 15), { now: NOW + 10_001 }), BOTH)
  t.strictSame(read(part(whole, 0, 15), { now: NOW + 20_000 }), [])
  t.strictSame(read(part(whole, 15, 23), { now: NOW + 20_001 }), BOTH)
})

t.test('packets that never become whole are bounded in number, and nonsense becomes nothing', async (t) => {
  const read = createReader({ sendersMax: 2 })
  for (const device of ['A', 'B', 'C']) read(part(whole, 0, 15), { device })
  t.strictSame(read(part(whole, 15, 23), { device: 'C' }), BOTH)
  t.strictSame(read(part(whole, 15, 23), { device: 'A' }), [], 'the oldest gave way')
  const nested = part(part(whole, 0, 12), 0, 15, 15)
  t.strictSame(read(nested, { device: 'D' }), [])
  t.strictSame(read(part(Buffer.alloc(300), 0, 15), { device: 'D' }), [], 'longer than any packet')
})

t.test('any parts in any order: what comes out is the packet or nothing', async (t) => {
  const cut = fc.tuple(fc.nat(22), fc.integer({ min: 1, max: 15 }))
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 30 }), (cuts) => {
      const read = createReader()
      return cuts.every(([offset, length]) => {
        const messages = read(part(whole, offset, Math.min(offset + length, 23)))
        return messages.length === 0 || messages.join() === BOTH.join()
      })
    }),
  )
  t.pass('100 times')
})

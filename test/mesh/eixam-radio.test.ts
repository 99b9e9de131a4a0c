import * as fc from 'fast-check'
import t from 'tap'
import { readEixamPacket } from '../../handlers/mesh/eixam-radio.js'
import { encodeEixamSos, encodeEixamTel, encodeEnvelope } from '../support/mesh-packets.js'
import { ENVELOPE_TOPIC, readOn, readOneOn } from '../support/mesh-reading.js'

const position = { latitude: 41.38258, longitude: 2.17684, altitude: 120 }
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

t.test('an SOS of ten bytes has a position, one of five a sequence number', async (t) => {
  t.strictSame(readEixamPacket('sos', hex('34 12 a5 b1 09')), {
    is: 'sos',
    state: {
      device: 0x1234,
      sosType: 2,
      retries: 3,
      relays: 0,
      battery: 1,
      gpsQuality: 2,
      speed: 2,
      packetId: 5,
      sequence: 9,
    },
  })
  t.match(readEixamPacket('sos', hex('34 12 00 00 00 00 00 00 c5 43')), {
    is: 'sos',
    state: { device: 0x1234, sosType: 1, packetId: 5 },
    position: { why: 'zero' },
  })
})

t.test('every field of an SOS and of telemetry is read as it was packed', async (t) => {
  const level = fc.nat(3)
  const position = fc.record(
    {
      latitude: fc
        .double({ min: -89.9, max: 89.9, noNaN: true })
        .filter((degrees) => Math.abs(degrees) > 0.001),
      longitude: fc.double({ min: -179.9, max: 179.9, noNaN: true }),
      altitude: fc.nat(127).map((steps) => steps * 40),
    },
    { noNullPrototype: true },
  )
  const common = { device: fc.nat(0xffff), position, battery: level, gpsQuality: level, packetId: fc.nat(15) }
  const isNear = (
    read: unknown,
    { latitude, longitude, altitude }: { latitude: number; longitude: number; altitude: number },
  ) => {
    const { fix } = read as { fix: { latitude: number; longitude: number; altitude: number } }
    const step = 180 / 2 ** 20
    return (
      Math.abs(fix.latitude - latitude) <= step &&
      Math.abs(fix.longitude - longitude) <= step &&
      fix.altitude === altitude
    )
  }
  fc.assert(
    fc.property(
      fc.record({ ...common, sosType: level, retries: level, relays: level, speed: level }),
      (sos) => {
        const { position, ...state } = sos
        const read = readEixamPacket('sos', encodeEixamSos(sos))
        if (read?.is !== 'sos') return false
        return (
          JSON.stringify(sorted(read.state)) === JSON.stringify(sorted(state)) &&
          isNear(read.position, position)
        )
      },
    ),
  )
  fc.assert(
    fc.property(fc.record({ ...common, speed: fc.nat(15), heading: fc.nat(15) }), (tel) => {
      const { position, ...state } = tel
      const read = readEixamPacket('tel', encodeEixamTel(tel))
      if (read?.is === 'rescue' || read?.is === 'fragment') return true // by chance: one in a hundred thousand
      if (read?.is !== 'tel') return false
      return (
        JSON.stringify(sorted(read.state)) === JSON.stringify(sorted(state)) &&
        isNear(read.position, position)
      )
    }),
  )
  t.pass('100 of each')
})

function sorted(record: object) {
  return Object.entries(record).toSorted()
}

t.test('the same ten bytes are an SOS or telemetry, by what the gateway says they are', async (t) => {
  const bytes = encodeEixamTel({ device: 0x1234, position: { latitude: 41, longitude: 2, altitude: 0 } })
  t.match(readEixamPacket('tel', bytes), { is: 'tel' })
  t.match(readEixamPacket('sos', bytes), { is: 'sos' })
})

t.test("a wearable that says its SOS is over is told from the phone's cancel", async (t) => {
  const read = (text: string) => readEixamPacket('sos', hex(text))
  t.strictSame(read('e1 02 34 12'), { is: 'sos-event', by: 'user', becomes: 'resolved', device: 0x1234 })
  t.strictSame(read('e1 01 34 12'), { is: 'sos-event', by: 'user', becomes: 'inactive', device: 0x1234 })
  t.strictSame(read('e1 03 34 12'), { is: 'sos-event', by: 'user', device: 0x1234 })
  t.strictSame(read('e2 03 34 12'), { is: 'sos-event', by: 'app', becomes: 'resolved', device: 0x1234 })
  t.equal(read('e3 01 34 12'), null)
})

t.test('telemetry that a device heard from another is of both', async (t) => {
  const zeros = '00 00 00 00 00 00'
  t.strictSame(readEixamPacket('tel', hex(`d2 a8 1a ${zeros} 01 21 f6 c4 b0 1b ${zeros} 01 21`)), {
    is: 'tel-relay',
    own: {
      state: { device: 0x1bb0, battery: 0, gpsQuality: 0, packetId: 1, speed: 2, heading: 1 },
      position: { why: 'zero' },
    },
    peer: {
      state: {
        device: 0x1aa8,
        battery: 0,
        gpsQuality: 0,
        packetId: 1,
        speed: 2,
        heading: 1,
        snr: -10,
        rssi: -60,
      },
      position: { why: 'zero' },
    },
  })
})

t.test(
  'status, rescue and fragments are known for what they are, and nothing is taken for them',
  async (t) => {
    t.strictSame(readEixamPacket('tel', hex('e9 78 01 02 03 07 1f 34 12 58 3c 00')), {
      is: 'status',
      state: { device: 0x1234, batteryPercent: 0x58 },
    })
    t.strictSame(readEixamPacket('tel', hex('02 20 01 10 85 02 03 03 02 03')), { is: 'rescue' })
    t.match(readEixamPacket('sos', hex('02 20 01 10 85 02 03 03 02 43')), {
      is: 'sos',
      state: { sosType: 1 },
    })
    t.strictSame(readEixamPacket('tel', hex('d0 17 00 0f 00 01 02 03 04')), {
      is: 'fragment',
      total: 23,
      offset: 15,
      bytes: hex('01 02 03 04'),
    })
    t.match(readEixamPacket('tel', hex('d0 17 00 0f 00 01 02 03 04 05')), { is: 'fragment', offset: 15 })
    const tel = encodeEixamTel({ device: 0x12d0, position })
    t.match(
      readEixamPacket('tel', tel),
      { is: 'tel', state: { device: 0x12d0 } },
      'a device whose id begins like a fragment',
    )
    const lost = ['d0 0f 00 00 00 01', 'd0 00 01 00 00 01', 'd0 17 00 17 00 01']
    for (const text of lost) t.equal(readEixamPacket('tel', hex(text)), null, 'a fragment of no packet')
    for (const length of [0, 1, 3, 6, 9, 11, 12, 22, 23, 24])
      for (const kind of ['tel', 'sos'] as const) t.equal(readEixamPacket(kind, Buffer.alloc(length)), null)
  },
)

const onPort = (port: number, payload: Buffer) => readOn(ENVELOPE_TOPIC, encodeEnvelope({ port, payload }))
const oneOnPort = (port: number, payload: Buffer) =>
  readOneOn(ENVELOPE_TOPIC, encodeEnvelope({ port, payload }))

t.test(
  'an SOS that was relayed is about the device in it, never about the one that passed it on',
  async (t) => {
    const own = oneOnPort(256, encodeEixamSos({ device: 0x1234, position }))
    t.equal(own.relayedDevice, undefined)
    const relayed = oneOnPort(256, encodeEixamSos({ device: 0x1234, position, relays: 1 }))
    t.match(relayed, { relayedDevice: 0x1234, content: { is: 'sos', trigger: 'radio' } })
    const noFix = oneOnPort(256, encodeEixamSos({ device: 0x1234 }))
    t.match(noFix.content, { is: 'sos', fix: undefined })
  },
)

t.test('type 0 starts no SOS', async (t) => {
  t.match(oneOnPort(256, encodeEixamSos({ device: 1, position, sosType: 0 })).content, { is: 'position' })
  t.match(oneOnPort(256, hex('34 12 a5 01 09')).content, { is: 'no-position', why: 'missing' })
})

t.test('relayed telemetry becomes two messages, each about its own device', async (t) => {
  const peer = encodeEixamTel({ device: 7, position })
  const own = encodeEixamTel({ device: 8, position: { ...position, latitude: 42 } })
  const reading = onPort(257, Buffer.concat([hex('d2'), peer, hex('f6 c4'), own]))
  const [first, second] = reading.is === 'messages' ? reading.messages : []
  t.match(first, { relayedDevice: undefined, content: { is: 'position', radio: { device: 8 } } })
  t.match(second, { relayedDevice: 7, content: { is: 'position', radio: { device: 7, rssi: -60 } } })
})

t.test('a cancel, a status and what nobody knows', async (t) => {
  t.match(oneOnPort(256, hex('e1 02 34 12')).content, {
    is: 'cancel',
    by: 'user',
    becomes: 'resolved',
    device: 0x1234,
  })
  t.match(oneOnPort(257, hex('e9 78 01 02 03 07 1f 34 12 58 3c 00')).content, {
    is: 'telemetry',
    battery: { percent: 88, isPowered: false },
  })
  t.strictSame(oneOnPort(256, hex('0102')).content, { is: 'other', port: 256 })
  t.strictSame(oneOnPort(300, encodeEixamSos({ device: 1 })).content, { is: 'other', port: 300 })
})

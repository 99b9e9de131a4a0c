import * as fc from 'fast-check'
import t from 'tap'
import type { MeshMessage } from '../../handlers/mesh/mesh-message.js'
import { createSosKeys, seenKeyOf } from '../../handlers/mesh/packet-keys.js'
import { createSeenPackets } from '../../handlers/mesh/seen-packets.js'
import { encodeEixamSos, encodeEixamTel, encodeEnvelope, encodePosition } from '../support/mesh-packets.js'
import type { PacketFields } from '../support/mesh-packets.js'
import { ENVELOPE_TOPIC, NOW, readOneOn } from '../support/mesh-reading.js'

t.test('a packet that came before is known, per app, for as long as it is kept', async (t) => {
  const seen = createSeenPackets({ keepMs: 1_000 })
  t.equal(seen.see('app', 'a', 100), 100)
  t.equal(seen.see('app', 'a', 600), 100)
  t.equal(seen.see('other app', 'a', 600), 600)
  t.equal(seen.see('app', 'a', 1_099), 100, 'seeing it again did not make it younger')
  t.equal(seen.see('app', 'a', 1_100), 1_100, 'new once it is too old')
  seen.forget('app', 'a')
  seen.forget('unknown app', 'a')
  t.equal(seen.see('app', 'a', 1_200), 1_200)
  t.equal(seen.size, 2)
})

t.test('it says the same as a list of everything, as long as there is room', async (t) => {
  const step = fc.record({ app: fc.nat(2), key: fc.nat(5), after: fc.nat(400), forget: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const seen = createSeenPackets({ keepMs: 1_000, packetsMax: 1_000 })
      const list = new Map<string, number>()
      let now = 0
      return steps.every(({ app, key, after, forget }) => {
        now += after
        const [appId, name] = [`app-${app}`, `key-${key}`]
        if (forget && key === 0) {
          seen.forget(appId, name)
          list.delete(appId + name)
        }
        const before = list.get(appId + name)
        const first = before !== undefined && now - before < 1_000 ? before : now
        list.set(appId + name, first)
        return seen.see(appId, name, now) === first
      })
    }),
    { numRuns: 300 },
  )
  t.pass('300 times')
})

t.test('its number is bounded, and an app that fills it pushes out its own packets', async (t) => {
  const seen = createSeenPackets({ packetsMax: 1_000 })
  for (let i = 0; i < 100; i++) seen.see('quiet', `q${i}`, i)
  let most = 0
  for (let i = 0; i < 20_000; i++) {
    seen.see('flooding', `f${i}`, 1_000 + i)
    most = Math.max(most, seen.size)
  }
  t.ok(most <= 1_000, `${most}`)
  for (let i = 0; i < 100; i++) t.equal(seen.see('quiet', `q${i}`, 30_000), i)
  t.equal(seen.see('flooding', 'f19999', 30_000), 20_999, 'the newest of the flood are known')
  for (let i = 0; i < 3_000; i++) seen.see(`app-${i}`, 'a', 40_000)
  t.ok(seen.size <= 1_000, 'also with more apps than there is room')
})

t.test('however many apps share the room, what each saw last is known', async (t) => {
  const seen = createSeenPackets({ packetsMax: 1_000 })
  const forgotten: string[] = []
  for (let i = 0; i < 2_000; i++)
    for (const app of ['a', 'b', 'c', 'd']) {
      seen.see(app, `${i}`, i)
      const before = Math.max(0, i - 50)
      if (seen.see(app, `${before}`, i) !== before) forgotten.push(`${app} ${before}`)
    }
  t.strictSame(forgotten, [])
})

const text: PacketFields = { port: 1, payload: 'hello', id: 0x999c }
const read = (packet: PacketFields, gatewayId = '!a1b2c3d4') =>
  readOneOn(ENVELOPE_TOPIC.replace('!a1b2c3d4', gatewayId), encodeEnvelope(packet, { gatewayId }))

t.test('copies that several gateways heard have one key, other packets another', async (t) => {
  const key = seenKeyOf(read(text))
  t.equal(key, 'mesh !11223344 0000999c')
  t.equal(seenKeyOf(read({ ...text, rssi: -50, hopLimit: 1, hopStart: 3 }, '!55667788')), key)
  t.not(seenKeyOf(read({ ...text, from: 0x11223345 })), key)
  t.not(seenKeyOf(read({ ...text, id: 0x999d })), key)
  t.equal(seenKeyOf(read({ ...text, id: 0 })), null, 'without an id each counts')
  t.equal(seenKeyOf(read({ ...text, port: 70 })), null, 'what is not taken hides no copy that is')
})

t.test('an SOS is thrown away by no key, and counted in once by its report key', async (t) => {
  const sosKeyOf = createSosKeys()
  const keyOf = (message: MeshMessage) => sosKeyOf('app', message)
  for (const packet of [
    { ...text, port: 11 },
    { ...text, payload: 'SOS' },
  ]) {
    t.equal(seenKeyOf(read(packet)), null)
    t.equal(keyOf(read(packet)), 'mesh !11223344 0000999c')
    t.equal(createSosKeys()('app', read(packet, '!55667788')), 'mesh !11223344 0000999c', 'after a restart')
  }
  t.equal(keyOf(read({ ...text, port: 11, id: 0 })), undefined)
  t.equal(keyOf(read(text)), undefined, 'no SOS')
  const report = readOneOn('gw/sos/CF:82', { timestamp: '2020-12-31T23:59:00Z' })
  t.equal(keyOf(report), '1609459140000000', "the SDK's own key")
  t.equal(keyOf(readOneOn('gw/sos/CF:82', 'help')), undefined)
})

t.test('retries and relays of an EIXAM SOS are one report, a new one later is another', async (t) => {
  const sosKeyOf = createSosKeys()
  const send = (id: number, now: number, fields: object = {}) => {
    const payload = encodeEixamSos({ device: 0x1234, packetId: 5, ...fields })
    return sosKeyOf('app', readOneOn(ENVELOPE_TOPIC, encodeEnvelope({ port: 256, payload, id }), { now }))
  }
  // The copies stand on both sides of a full ten minutes.
  const start = Math.ceil(NOW / 600_000) * 600_000 - 1_000
  const first = send(1, start)
  t.match(first, /^radio 4660 5 1 \d+$/)
  t.equal(send(2, start + 20_000, { retries: 2 }), first)
  t.equal(send(3, start + 40_000, { relays: 1, battery: 1 }), first)
  t.not(send(4, start + 60_000, { packetId: 6 }), first)
  t.not(send(5, start + 60_000, { sosType: 2 }), first)
  t.not(send(6, start + 60_000, { device: 0x1235 }), first)
  const second = send(7, start + 1_200_000)
  t.not(second, first, 'the id came round: a new call for help')
  t.equal(send(1, start + 1_210_000), first, 'a packet that is flooded again is the old one')
  t.equal(send(8, start + 1_220_000, { retries: 1 }), second)
  const native = { eixam: encodeEixamSos({ device: 7, packetId: 5 }).toString('hex') }
  const keys = [0, 599_999, 600_000].map((after) =>
    sosKeyOf('app', readOneOn('gw/sos/A', native, { now: start + after })),
  )
  t.equal(keys[0], keys[1])
  t.not(keys[0], keys[2])
})

t.test('telemetry of an EIXAM device that two gateways forward is known by its content', async (t) => {
  const position = { latitude: 41, longitude: 2, altitude: 0 }
  const tel = encodeEixamTel({ device: 0x1234, position, packetId: 5 }).toString('hex')
  const [one, other] = ['gw/tel/A', 'gw/tel/A'].map((topic) => seenKeyOf(readOneOn(topic, { eixam: tel })))
  t.ok(one)
  t.equal(one, other)
  t.not(seenKeyOf(readOneOn('gw/tel/A', { eixam: tel }, { now: NOW + 120_000 })), one, 'for a minute')
  t.equal(seenKeyOf(readOneOn('gw/tel/A', { latitude: 1, longitude: 1 })), null)
})

t.test('each device of relayed telemetry has a key of its own', async (t) => {
  const position = encodePosition({ latitudeI: 1, longitudeI: 1 })
  const message = read({ port: 3, payload: position })
  t.not(seenKeyOf({ ...message, relayedDevice: 7 }), seenKeyOf(message))
})

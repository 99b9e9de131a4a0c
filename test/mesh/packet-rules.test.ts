import t from 'tap'
import { isSosSensor, isSosText, SOS_TRIGGERS } from '../../handlers/mesh/sos-triggers.js'
import {
  bytesField,
  encodeEnvelope,
  encodePacket,
  encodePosition,
  encodeTelemetry,
  fixed32Field,
  floatField,
  joinFields,
  varintField,
} from '../support/mesh-packets.js'
import type { PacketFields } from '../support/mesh-packets.js'
import { ENVELOPE_TOPIC, NOW, readOn, readOneOn } from '../support/mesh-reading.js'

const read = (packet: PacketFields) => readOneOn(ENVELOPE_TOPIC, encodeEnvelope(packet))

t.test('a text calls for help when it begins with one of the words', async (t) => {
  const calls = [
    'SOS',
    'sos',
    ' \u0007SOS',
    'Sos need help',
    'SOS!',
    'SOS: leg',
    '#SOS',
    '#sos help',
    '🆘',
    '🆘help',
    'SOS\u0007',
    '\0SOS',
  ]
  for (const text of calls) t.ok(isSosText(text, SOS_TRIGGERS), text)
  const others = [
    '',
    'SOSO',
    'SOS1',
    'SOSé',
    'no SOS',
    'soso',
    '#SOSO',
    'OS',
    "🚨I'm lost! Lat / Lon: 41.4, 2.2\u0007",
    '112',
  ]
  for (const text of others) t.notOk(isSosText(text, SOS_TRIGGERS), text)
  const own = { words: ['Hilfe', ''], sensors: ['Sturz'] }
  t.ok(isSosText('HILFE bitte', own))
  t.notOk(isSosText('SOS', own))
})

t.test('a sensor calls for help when it goes off and has one of the names', async (t) => {
  for (const text of ['SOS detected', 'panic detected\u0007', 'ManDown detected '])
    t.ok(isSosSensor(text, SOS_TRIGGERS), text)
  for (const text of ['SOS state: 1', 'SOS', 'Door detected', 'SOS detected twice', ' detected', ''])
    t.notOk(isSosSensor(text, SOS_TRIGGERS), text)
  t.match(read({ port: 10, payload: 'PANIC detected' }).content, { is: 'sos', trigger: 'sensor' })
  t.match(read({ port: 10, payload: 'PANIC state: 1' }).content, { is: 'text' })
})

t.test(
  'a text to everybody or to the gateway may call for help, one to somebody else does not',
  async (t) => {
    t.match(read({ port: 1, payload: 'SOS' }).content, { is: 'sos', note: 'SOS' })
    t.match(read({ port: 1, payload: 'SOS', to: 0xa1b2c3d4 }).content, { is: 'sos' })
    t.match(read({ port: 1, payload: 'SOS', to: 0x55667788 }).content, { is: 'text', text: 'SOS' })
  },
)

t.test('an alert is an SOS whatever it says, to whomever', async (t) => {
  t.strictSame(read({ port: 11, payload: '' }).content, { is: 'sos', trigger: 'alert' })
  t.match(read({ port: 11, payload: 'all fine', to: 0x55667788 }).content, { is: 'sos', note: 'all fine' })
  const noUtf8 = read({ port: 11, payload: Buffer.from([0xff, 0x41]) }).content
  t.strictSame(noUtf8, { is: 'sos', trigger: 'alert', note: '\ufffdA' })
})

t.test('what nobody asked for is named by its port', async (t) => {
  for (const port of [0, 5, 34, 70, 72, 73, 112, 256 + 99])
    t.strictSame(read({ port, payload: 'x' }).content, { is: 'other', port })
})

t.test('a position that cannot be is none; an altitude that cannot be is left out', async (t) => {
  const at = (fields: Parameters<typeof encodePosition>[0]) =>
    read({ port: 3, payload: encodePosition(fields) }).content
  t.strictSame(at({}), { is: 'no-position', why: 'missing' })
  t.strictSame(at({ latitudeI: 1 }), { is: 'no-position', why: 'missing' })
  t.strictSame(at({ latitudeI: 0, longitudeI: 0 }), { is: 'no-position', why: 'zero' })
  t.strictSame(at({ latitudeI: 900_000_001, longitudeI: 1 }), { is: 'no-position', why: 'out-of-range' })
  t.strictSame(at({ latitudeI: 1, longitudeI: -1_800_000_001 }), { is: 'no-position', why: 'out-of-range' })
  t.match(at({ latitudeI: 1, longitudeI: 1, altitude: -500 }), { fix: { altitude: -500 } })
  for (const altitude of [-501, 12_001])
    t.match(at({ latitudeI: 1, longitudeI: 1, altitude }), { fix: { altitude: undefined } })
  t.match(at({ latitudeI: 1, longitudeI: 1, speed: 5_000, track: 4e7, precisionBits: 33 }), {
    fix: { speedKmh: undefined, trackDegrees: undefined, precisionBits: undefined },
  })
})

t.test('a battery above 101 percent and floats that are no numbers are left out', async (t) => {
  const of = (fields: Parameters<typeof encodeTelemetry>[0]) =>
    read({ port: 67, payload: encodeTelemetry(fields) }).content
  t.strictSame(of({ battery: 102, voltage: NaN, airUtilTx: Infinity, uptimeS: 3 }), {
    is: 'telemetry',
    uptimeS: 3,
  })
  t.strictSame(of({ battery: 0 }), { is: 'telemetry', battery: { percent: 0, isPowered: false } })
  const health = joinFields(
    bytesField(7, joinFields(varintField(1, 88), varintField(2, 97), floatField(3, 36.5))),
  )
  t.strictSame(read({ port: 67, payload: health }).content, {
    is: 'telemetry',
    heartBpm: 88,
    spO2: 97,
    temperature: 36.5,
  })
  const environment = joinFields(fixed32Field(1, 5), bytesField(3, floatField(1, 20) as Buffer))
  t.strictSame(read({ port: 67, payload: environment }).content, { is: 'other', port: 67 })
})

t.test('hops are counted where the packet tells them', async (t) => {
  const hops = (fields: Partial<PacketFields>) => read({ port: 1, payload: 'x', ...fields }).hops
  t.equal(hops({ hopStart: 3, hopLimit: 1 }), 2)
  t.equal(hops({ hopStart: 1, hopLimit: 3 }), undefined)
  t.equal(hops({ hopLimit: 3 }), undefined)
  t.equal(hops({}), undefined)
  t.equal(hops({ bitfield: 0 }), 0)
  t.match(read({ port: 1, payload: 'x', bitfield: 2 }), { isOkToMqtt: false, firmware: '2.5' })
})

t.test('an envelope that cannot be right is refused, and why is said', async (t) => {
  const text: PacketFields = { port: 1, payload: 'SOS' }
  const refusals: [string, Buffer, string][] = [
    ['another gateway', encodeEnvelope(text, { gatewayId: '!a1b2c3d5' }), 'gateway-mismatch'],
    ['no gateway', encodeEnvelope(text, { gatewayId: '' }), 'gateway-mismatch'],
    ['from nobody', encodeEnvelope({ ...text, from: 0 }), 'bad-sender'],
    ['from everybody', encodeEnvelope({ ...text, from: 0xffffffff }), 'bad-sender'],
    ['from a broker', encodeEnvelope({ ...text, viaMqtt: true }), 'via-mqtt'],
    ['eight hops left', encodeEnvelope({ ...text, hopLimit: 8 }), 'too-many-hops'],
    ['eight hops before', encodeEnvelope({ ...text, hopStart: 8 }), 'too-many-hops'],
    ['no packet', joinFields(bytesField(2, 'LongFast'), bytesField(3, '!a1b2c3d4')), 'malformed'],
    ['nothing in the packet', encodeEnvelope(joinFields(fixed32Field(1, 5))), 'malformed'],
    ['no bytes', Buffer.from([0x0a]), 'malformed'],
    ['a position cut off', encodeEnvelope({ port: 3, payload: Buffer.from([0x0d, 1]) }), 'malformed'],
    ['too large', Buffer.concat([encodeEnvelope(text), Buffer.alloc(4_096)]), 'too-large'],
  ]
  for (const [title, bytes, why] of refusals)
    t.match(readOn(ENVELOPE_TOPIC, bytes), { is: 'refused', why }, title)
})

t.test('a gateway that reports itself for the map or as online is alive, and no more', async (t) => {
  const map = encodeEnvelope(encodePacket({ port: 73, payload: 'x', from: 0xa1b2c3d4 }))
  const alive = { sender: { nodeId: '!a1b2c3d4' }, heardBy: '!a1b2c3d4', content: { is: 'gateway-alive' } }
  t.match(readOneOn('msh/EU_868/2/map/', map), { ...alive, times: { arrivedAt: NOW } })
  t.match(readOneOn('msh/2/stat/!a1b2c3d4', 'online'), alive)
  t.match(readOneOn('msh/2/stat/!a1b2c3d4', 'offline').content, { is: 'other' })
  t.match(readOn('msh/2/map/', encodeEnvelope(map, { gatewayId: 'x' })), { is: 'refused', why: 'malformed' })
})

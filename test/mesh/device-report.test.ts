import t from 'tap'
import { encodeEixamSos, encodeEixamTel } from '../support/mesh-packets.js'
import { NOW, readOn, readOneOn } from '../support/mesh-reading.js'

const SOS = 'gw/sos/CF:82:00:00:00:01'
const TEL = 'gw/tel/CF:82:00:00:00:01'
const sender = { is: 'device', hardwareId: 'CF:82:00:00:00:01' }
const at = NOW - 30_000
const sdk = { timestamp: new Date(at).toISOString(), latitude: 41.4, longitude: 2.2, altitude: 80 }
const position = { latitude: 41.38258, longitude: 2.17684, altitude: 120 }

t.test("an SOS with the SDK's fields", async (t) => {
  const message = readOneOn(SOS, { ...sdk, message: 'broken leg', deviceId: '7', batteryNote: 'low' })
  t.strictSame(message, {
    sender,
    packetId: 0,
    times: { at, toldBy: 'sender', arrivedAt: NOW },
    content: {
      is: 'sos',
      trigger: 'topic',
      note: 'broken leg',
      fix: { latitude: 41.4, longitude: 2.2, altitude: 80 },
      fields: { batteryNote: 'low', deviceId: '7' },
      timestampKey: `${at}000`,
    },
  })
})

t.test('an SOS is one whatever stands in it', async (t) => {
  const sos = (payload: Buffer | string | object) => {
    const message = readOneOn(SOS, payload)
    t.match(message, { sender, content: { is: 'sos', trigger: 'topic', fix: undefined } })
    return message.content
  }
  sos({})
  sos({ ...sdk, latitude: 91 })
  sos({ ...sdk, latitude: 0, longitude: 0 })
  t.equal((sos('help') as { raw?: string }).raw, Buffer.from('help').toString('base64'))
  sos(Buffer.alloc(0))
  sos({ eixam: '' })
  sos({ eixam: 'zz' })
  sos({ eixam: 5 })
  const strange = { eixam: '010203' }
  t.equal((sos(strange) as { raw?: string }).raw, Buffer.from(JSON.stringify(strange)).toString('base64'))
  const huge = sos(Buffer.alloc(65_536, 0x78)) as { raw: string }
  t.ok(huge.raw.length < 32_768, 'and what is kept of it has a limit')
})

t.test('a packet of the air in hex: the topic says that it is an SOS or telemetry', async (t) => {
  const bytes = encodeEixamSos({ device: 0x1234, position, relays: 1, packetId: 5 })
  t.match(readOneOn(SOS, { eixam: bytes.toString('hex'), timestamp: sdk.timestamp }), {
    sender,
    relayedDevice: 0x1234,
    times: { at, toldBy: 'sender' },
    content: { is: 'sos', trigger: 'radio', radio: { device: 0x1234, packetId: 5, relays: 1 } },
  })
  t.match(readOneOn(SOS, { eixam: 'E1023412' }).content, { is: 'cancel', by: 'user' })
  const tel = encodeEixamTel({ device: 0x1234, position })
  t.match(readOneOn(TEL, { eixam: tel.toString('hex').toUpperCase() }), {
    times: { at: NOW, toldBy: 'arrival' },
    content: { is: 'position', radio: { device: 0x1234, battery: 3 } },
  })
})

t.test("telemetry with the SDK's fields: a position, a heartbeat, or neither", async (t) => {
  t.match(readOneOn(TEL, { ...sdk, deviceBattery: 80 }), {
    sender,
    times: { at, toldBy: 'sender' },
    content: { is: 'position', fix: { latitude: 41.4, longitude: 2.2 }, fields: { deviceBattery: 80 } },
  })
  const heartbeat = { ...sdk, kind: 'HEARTBEAT', latitude: 0, longitude: 0 }
  t.strictSame(readOneOn(TEL, heartbeat).content, { is: 'telemetry', fields: { kind: 'HEARTBEAT' } })
  t.strictSame(readOneOn(TEL, { deviceBattery: 80 }).content, {
    is: 'telemetry',
    fields: { deviceBattery: 80 },
  })
  t.match(readOneOn(TEL, { ...sdk, longitude: 181 }).content, { is: 'no-position', why: 'out-of-range' })
  t.match(readOneOn(TEL, { ...sdk, latitude: 0, longitude: 0 }).content, { is: 'no-position', why: 'zero' })
})

t.test('telemetry that cannot be read is refused', async (t) => {
  for (const payload of ['', 'x', '[]', { eixam: '0102' }, { eixam: null }])
    t.match(readOn(TEL, payload), { is: 'refused', why: 'malformed' })
  t.match(readOn(TEL, Buffer.alloc(4_097)), { is: 'refused', why: 'too-large' })
})

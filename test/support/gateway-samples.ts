import { encodeEixamSos, encodeEnvelope, encodePacket } from './mesh-packets.js'
import { hex, VECTORS } from './mesh-vectors.js'

/** A publication of a gateway, and the outcomes that its messages have where both nodes are somebody's. */
export interface Sample {
  topic: string
  payload: Buffer | string
  becomes: string
}

export const ENVELOPE = 'msh/EU_868/2/e/LongFast/!a1b2c3d4'
const JSON_TOPIC = 'msh/EU_868/2/json/LongFast/!a1b2c3d4'
/** Hardware ids of the two people that the samples are about: node 0x11223344 is hers, 0x7efeb2c8 his. */
export const NINAS = 'CF:82:00:00:00:01'
export const OTTOS = 'CF:82:00:00:00:02'

const inJson = {
  channel: 0,
  from: 0x11223344,
  sender: '!a1b2c3d4',
  to: 4_294_967_295,
  timestamp: 1_609_459_200,
}
const json = (more: object) => ({ topic: JSON_TOPIC, payload: JSON.stringify({ ...inJson, ...more }) })
/** What a real node sent, as another node's. */
const captured = (port: number, base64: string, id: number) => ({
  topic: ENVELOPE,
  payload: encodeEnvelope({ port, payload: Buffer.from(base64, 'base64'), from: 0x7efeb2c8, id }),
})
/** The third and the fourth are the second and the fourth again, encrypted or not: each packet counts once. */
const OF_VECTORS = ['history', 'copy', 'history', 'sos', 'copy', 'sos', 'sos']

/** Everything that firmware sends: the vectors, what real nodes sent, and the JSON of firmware up to 2.7. */
export const OF_FIRMWARE: Sample[] = [
  ...VECTORS.map(({ bytes }, i) => ({
    topic: ENVELOPE,
    payload: hex(bytes),
    becomes: OF_VECTORS[i] as string,
  })),
  { ...captured(3, 'DQAAPh8VAAAOCBgvJdMnJmkoAligAXgAgAGwx84GmAEJuAEO', 1), becomes: 'telemetry' },
  { ...captured(3, 'DVAqzRcV+uKSzBgK', 2), becomes: 'telemetry' },
  { ...captured(67, 'DeAnJmkSFQhlFW8Sg7odyi/WPyXEjb08KNHgLA==', 3), becomes: 'telemetry' },
  { ...captured(67, 'DX2QVWMSAA==', 4), becomes: 'telemetry' },
  {
    ...json({
      id: 1,
      type: 'position',
      payload: { latitude_i: 517_720_000, longitude_i: 395_000, altitude: 85, precision_bits: 32 },
      rssi: -124,
      snr: -18,
    }),
    becomes: 'history',
  },
  {
    ...json({ id: 2, type: 'telemetry', payload: { battery_level: 101, voltage: 4.35400009155273 } }),
    becomes: 'history',
  },
  { ...json({ id: 3, type: 'text', payload: 112 }), becomes: 'ignored' },
  { ...json({ id: 4, type: '' }), becomes: 'ignored' },
  {
    ...json({ id: 5, to: -622_873_220, type: 'nodeinfo', payload: { longname: 'Nina\0' } }),
    becomes: 'node-info',
  },
  { topic: 'msh/EU_868/2/stat/!a1b2c3d4', payload: 'online', becomes: 'gateway-alive' },
]

const base64 = (bytes: Buffer) => bytes.toString('base64')
/** What programs of other makes send on topics of our own; the last ends what the others began. */
export const OF_PROGRAMS: Sample[] = [
  {
    topic: 'gw/packet',
    payload: JSON.stringify({
      from: 0x11223344,
      to: 4_294_967_295,
      id: 7,
      decoded: { portnum: 'ALERT_APP', payload: base64(Buffer.from('SOS of a program')) },
    }),
    becomes: 'sos',
  },
  { topic: 'gw/packet', payload: base64(encodePacket({ port: 11, payload: 'SOS', id: 8 })), becomes: 'sos' },
  { topic: `gw/sos/${NINAS}`, payload: '{"timestamp":"2026-05-01T10:00:00Z"}', becomes: 'sos' },
  {
    topic: `gw/sos/${NINAS}`,
    payload: JSON.stringify({ eixam: encodeEixamSos({ device: 0x1234 }).toString('hex') }),
    becomes: 'sos',
  },
  { topic: `gw/sos/${NINAS}`, payload: '{"eixam":"3412A5B109"}', becomes: 'sos' },
  {
    topic: `gw/tel/${NINAS}`,
    payload: '{"timestamp":"2026-05-01T10:00:00Z","latitude":41.4,"longitude":2.2}',
    becomes: 'telemetry',
  },
  { topic: `gw/tel/${NINAS}`, payload: '{"eixam":"E978010203071F3412583C00"}', becomes: 'telemetry' },
  { topic: `gw/sos/${NINAS}`, payload: '{"eixam":"E1023412"}', becomes: 'cancel' },
]

/** What stands in the event log of the calls of firmware. */
export const CALLS_OF_FIRMWARE = [
  {
    triggerSource: 'mesh-alert',
    message: 'SOS',
    position: { latitude: 37.4208, longitude: -122.1981, altitude: 123 },
    positionAt: '2021-01-01T00:00:00.000Z',
    fields: {
      mesh: {
        gatewayId: 'roof',
        node: '!11223344',
        heardBy: '!a1b2c3d4',
        channel: 'LongFast',
        packet: '0000999b',
        rssi: -85,
        snr: 10.5,
        hops: 0,
        late: true,
      },
    },
  },
  { triggerSource: 'mesh-text', message: 'SOS need help', fields: { mesh: { packet: '0000999c' } } },
  {
    triggerSource: 'mesh-radio',
    fields: {
      mesh: {
        packet: '0000999d',
        radio: { device: 0x1234, sosType: 1, retries: 0, relays: 0, battery: 3, gpsQuality: 3, packetId: 5 },
      },
    },
  },
]

/** And of the calls of programs. */
export const CALLS_OF_PROGRAMS = [
  { triggerSource: 'mesh-alert', message: 'SOS of a program', fields: { mesh: { packet: '00000007' } } },
  { triggerSource: 'mesh-alert', message: 'SOS', fields: { mesh: { packet: '00000008' } } },
  { triggerSource: 'mesh-topic', timestamp: '2026-05-01T10:00:00.000Z', fields: { mesh: { device: NINAS } } },
  { triggerSource: 'mesh-radio', fields: { mesh: { radio: { device: 0x1234, sosType: 1, packetId: 0 } } } },
  {
    triggerSource: 'mesh-radio',
    fields: {
      mesh: { radio: { device: 0x1234, sosType: 2, retries: 3, battery: 1, speed: 2, packetId: 5 } },
    },
  },
]

/** Telemetry of nina and otto that firmware's samples leave in the store. */
export const KEPT_OF_FIRMWARE = [
  {
    externalUserId: 'nina',
    occurredAt: '2021-01-01T00:00:00.000Z',
    position: { latitude: 37.4208, longitude: -122.1981, altitude: 123 },
    fields: { source: 'gateway', hardwareId: NINAS, mesh: { packet: '00009999', precisionBits: 32 } },
  },
  {
    externalUserId: 'nina',
    fields: {
      deviceBattery: 85,
      mesh: {
        packet: '0000999a',
        voltage: Math.fround(3.72),
        channelUtilization: Math.fround(15.56),
        airUtilTx: Math.fround(8.23),
        uptimeS: 12_345,
      },
    },
  },
  {
    externalUserId: 'otto',
    occurredAt: '2025-11-25T22:04:03.000Z',
    position: { latitude: 52.4156928, longitude: 13.5135232, altitude: 47 },
    fields: { mesh: { precisionBits: 14, satellites: 9 } },
  },
  {
    externalUserId: 'otto',
    position: { latitude: 39.932168, longitude: -86.278887, altitude: 10 },
  },
  {
    externalUserId: 'otto',
    occurredAt: '2025-11-25T22:04:16.000Z',
    fields: { deviceBattery: 100, mesh: { battery: { isPowered: true }, uptimeS: 733_265 } },
  },
  { externalUserId: 'otto', occurredAt: '2022-10-23T19:05:33.000Z' },
  {
    externalUserId: 'nina',
    position: { latitude: 51.772, longitude: 0.0395, altitude: 85 },
    fields: { mesh: { packet: '00000001', rssi: -124, snr: -18 } },
  },
  { externalUserId: 'nina', fields: { deviceBattery: 100, mesh: { voltage: 4.35400009155273 } } },
]

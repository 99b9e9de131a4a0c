import type { Random } from './fuzz-packets.js'
import {
  DEFAULT_KEY,
  encodeEixamSos,
  encodeEixamTel,
  encodeEnvelope,
  encodeNodeInfo,
  encodePosition,
  encodeTelemetry,
} from './mesh-packets.js'
import type { PacketFields } from './mesh-packets.js'
import { ENVELOPE_TOPIC, HEARD_AT_S } from './mesh-reading.js'

const position = { latitude: 41, longitude: 2, altitude: 120 }
const packets: PacketFields[] = [
  {
    port: 3,
    payload: encodePosition({
      latitudeI: 374_208_000,
      longitudeI: -1_221_981_000,
      altitude: 9,
      timeS: HEARD_AT_S,
    }),
  },
  { port: 67, payload: encodeTelemetry({ timeS: HEARD_AT_S, battery: 85, voltage: 3.72, uptimeS: 12_345 }) },
  {
    port: 4,
    payload: encodeNodeInfo({ longName: 'Nina', mac: Buffer.alloc(6, 1), publicKey: Buffer.alloc(32, 2) }),
  },
  { port: 1, payload: 'SOS need help' },
  { port: 10, payload: 'PANIC detected' },
  {
    port: 11,
    payload: 'SOS',
    heardAtS: HEARD_AT_S,
    rssi: -85,
    snr: 10.5,
    bitfield: 1,
    hopStart: 3,
    hopLimit: 3,
  },
  { port: 256, payload: encodeEixamSos({ device: 0x1234, position }) },
  { port: 257, payload: encodeEixamTel({ device: 0x1234, position }) },
]
const envelopes = packets.flatMap((packet) => [
  encodeEnvelope(packet),
  encodeEnvelope({ ...packet, encryptFor: { key: DEFAULT_KEY, hash: 8 } }),
  encodeEnvelope({ ...packet, encryptFor: { key: DEFAULT_KEY, hash: 9 } }),
])
const json = { from: 0x11223344, to: -1, id: 5, sender: '!a1b2c3d4', timestamp: HEARD_AT_S }
const others: [string, string][] = [
  ['msh/2/json/LongFast/!a1b2c3d4', JSON.stringify({ ...json, type: 'text', payload: { text: 'SOS' } })],
  [
    'msh/2/json/LongFast/!a1b2c3d4',
    JSON.stringify({
      ...json,
      type: 'position',
      payload: { latitude_i: 5e8, longitude_i: 1e8, altitude: 5 },
    }),
  ],
  ['gw/packet', JSON.stringify({ ...json, decoded: { portnum: 'ALERT_APP', payload: 'U09T', bitfield: 1 } })],
  ['gw/tel/CF:82:00:00:00:01', JSON.stringify({ ...position, timestamp: '2020-12-31T23:59:00Z' })],
  ['gw/sos/CF:82:00:00:00:01', JSON.stringify({ eixam: '3412afad9b180307c543' })],
]
const topics = [ENVELOPE_TOPIC, 'msh/2/map/', 'msh/2/stat/!a1b2c3d4', ...others.map(([topic]) => topic)]

/** Bytes of a gateway with some of them changed, cut out, doubled or added, or bytes that are nobody's. */
export function hostileCase(random: Random): { topic: string; payload: Buffer } {
  const kind = random.below(10)
  if (kind === 0) return { topic: random.pick(topics), payload: random.bytes(random.below(300)) }
  if (kind < 3) {
    const [topic, text] = random.pick(others)
    return { topic, payload: mutate(random, Buffer.from(text)) }
  }
  return { topic: ENVELOPE_TOPIC, payload: mutate(random, random.pick(envelopes)) }
}

function mutate(random: Random, original: Buffer): Buffer {
  let bytes = Buffer.from(original)
  for (let times = random.below(4); times > 0 && bytes.length > 0; times--) {
    const at = random.below(bytes.length)
    const to = at + random.below(8)
    switch (random.below(6)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(12)), bytes.subarray(at)])
        break
      default:
        bytes = bytes.subarray(0, at)
    }
  }
  return bytes
}

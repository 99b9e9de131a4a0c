import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { MeshMessage, MeshReading } from '../../handlers/mesh/mesh-message.js'
import { readPublication } from '../../handlers/mesh/read-publication.js'
import { readMeshTopic } from '../../handlers/mesh/mesh-topics.js'
import type { MeshTopic } from '../../handlers/mesh/mesh-topics.js'
import { Random } from '../support/fuzz-packets.js'
import {
  DEFAULT_KEY,
  encodeEixamSos,
  encodeEixamTel,
  encodeEnvelope,
  encodeNodeInfo,
  encodePosition,
  encodeTelemetry,
} from '../support/mesh-packets.js'
import type { PacketFields } from '../support/mesh-packets.js'
import { ENVELOPE_TOPIC, HEARD_AT_S, NOW, SETTINGS } from '../support/mesh-reading.js'

/** `FUZZ_SEED=1 node dist/test/mesh/hostile-envelopes.test.js` repeats a run. */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 1_000_000_000))
const CASES = 200_000
const MIB = 1024 * 1024

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
const topics = [ENVELOPE_TOPIC, 'msh/2/map/', 'msh/2/stat/!a1b2c3d4', ...others.map(([topic]) => topic)].map(
  (name) => readMeshTopic(name) as MeshTopic,
)

/** Bytes of a gateway with some of them changed, cut out, doubled or added, or bytes that are nobody's. */
function hostileCase(random: Random): { topic: MeshTopic; payload: Buffer } {
  const kind = random.below(10)
  if (kind === 0) return { topic: random.pick(topics), payload: random.bytes(random.below(300)) }
  if (kind < 3) {
    const [topic, text] = random.pick(others)
    return { topic: readMeshTopic(topic) as MeshTopic, payload: mutate(random, Buffer.from(text)) }
  }
  return { topic: topics[0] as MeshTopic, payload: mutate(random, random.pick(envelopes)) }
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

/** What is wrong with a message, whatever it came from; null when it can be kept, sent and trusted. */
function problemWith(message: MeshMessage): string | null {
  const { content, times, sender, packetId } = message
  if (typeof JSON.stringify(message) !== 'string') return 'cannot be written as JSON'
  if (sender.is === 'node' && !(sender.nodeNumber > 0 && sender.nodeNumber < 0xffffffff)) return 'sender'
  if (!Number.isInteger(packetId) || packetId < 0 || packetId > 0xffffffff) return 'packet id'
  if (!(times.at <= NOW && times.at >= Date.UTC(2020, 0, 1)) || times.arrivedAt !== NOW) return 'times'
  if (message.hops !== undefined && !(message.hops >= 0 && message.hops <= 7)) return 'hops'
  const fix = 'fix' in content ? content.fix : undefined
  if (fix && !(Math.abs(fix.latitude) <= 90 && Math.abs(fix.longitude) <= 180)) return 'position'
  const numbers = Object.values({ ...message, ...content, ...fix }).filter(
    (value) => typeof value === 'number',
  )
  return numbers.every(Number.isFinite) ? null : 'a number that is none'
}

interface Tally {
  outcomes: Map<string, number>
  problems: string[]
}

function run(cases: number, from: number): Tally {
  const tally: Tally = { outcomes: new Map(), problems: [] }
  for (let i = 0; i < cases; i++) {
    const { topic, payload } = hostileCase(new Random(from + i))
    const outcomes = outcomesOf(tally, topic, payload, from + i)
    for (const outcome of outcomes) tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1)
  }
  return tally
}

function outcomesOf({ problems }: Tally, topic: MeshTopic, payload: Buffer, caseSeed: number): string[] {
  let reading: MeshReading
  try {
    reading = readPublication(topic, payload, SETTINGS, NOW)
  } catch (error) {
    problems.push(`case ${caseSeed}: ${topic.is} ${payload.toString('hex')}: ${String(error)}`)
    return []
  }
  if (reading.is === 'refused') return [reading.why]
  for (const message of reading.messages) {
    const problem = problemWith(message)
    if (problem) problems.push(`case ${caseSeed}: ${problem}: ${JSON.stringify(message)}`)
  }
  return reading.messages.map(({ content }) => content.is)
}

t.test(
  `200,000 random and mutated publications: nothing thrown, nothing kept (FUZZ_SEED=${seed})`,
  async (t) => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const heapUsed = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const warmUp = run(CASES / 10, seed + 1_000_000_000)
    const before = heapUsed()
    const { outcomes, problems } = run(CASES, seed)
    const more = heapUsed() - before
    t.strictSame([...warmUp.problems, ...problems].slice(0, 5), [])
    t.ok(more < 4 * MIB, `${more} bytes more on the heap`)
    const expected = [
      'sos',
      'position',
      'no-position',
      'telemetry',
      'node-info',
      'text',
      'other',
      'malformed',
      'gateway-mismatch',
      'undecryptable',
      'bad-sender',
    ]
    for (const outcome of expected)
      t.ok((outcomes.get(outcome) ?? 0) > 0, `${outcome}: ${outcomes.get(outcome)}`)
  },
)

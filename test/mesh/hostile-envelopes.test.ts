import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { MeshMessage, MeshReading } from '../../handlers/mesh/mesh-message.js'
import { readPublication } from '../../handlers/mesh/read-publication.js'
import { readMeshTopic } from '../../handlers/mesh/mesh-topics.js'
import type { MeshTopic } from '../../handlers/mesh/mesh-topics.js'
import { Random } from '../support/fuzz-packets.js'
import { hostileCase } from '../support/hostile-mesh.js'
import { NOW, SETTINGS } from '../support/mesh-reading.js'

/** `FUZZ_SEED=1 node dist/test/mesh/hostile-envelopes.test.js` repeats a run. */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 1_000_000_000))
const CASES = 200_000
const MIB = 1024 * 1024

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
    const { topic: name, payload } = hostileCase(new Random(from + i))
    const topic = readMeshTopic(name) as MeshTopic
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

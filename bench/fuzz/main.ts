import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { root } from '../../test/support/broker.js'
import { readCorpus, saveEntry } from '../../test/support/corpus.js'
import type { Input } from '../../test/support/corpus.js'
import { Random } from '../../test/support/fuzz-packets.js'
import { playInput } from '../../test/support/play-input.js'
import { startFuzzedBroker } from './fuzzed-broker.js'
import { judgeMemory } from './judge-memory.js'
import { makeInput } from './make-input.js'
import { createRarePaths } from './rare-paths.js'

const AT_ONCE = 200
const PER_ROUND = 2_000
/** HTTP gives a slow body 15 s; on a machine that others use too everything takes longer. */
const HELD_AFTER_MS = 30_000

/**
 * `npm run fuzz -- [--minutes 30] [--seed N] [--corpus test/corpus] [--rare N]`: hostile connections to a real
 * broker until the time is over or something is found; `--rare` inputs at most that reach a new path are kept as well.
 * Input n follows from seed + n and from the corpus as it was at the start.
 * Exit code 1 when something was found: its input is in the corpus then.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
      corpus: { type: 'string', default: join(root, 'test/corpus') },
      rare: { type: 'string', default: '0' },
    },
  })
  const seed = Number(values.seed)
  const began = performance.now()
  const until = began + Number(values.minutes) * 60_000
  print(`seed ${seed}`)
  const corpus = readCorpus(values.corpus)
  const rarePaths = createRarePaths(corpus.map(({ why }) => why))
  let rareLeft = Number(values.rare)
  const bySender = new Map<string, Input>()
  const keepRare = (why: string | null, input: Input | undefined) => {
    if (why === null || input === undefined) return
    print(`new path: ${why}`)
    if (rareLeft-- > 0) saveEntry(values.corpus, { why, ...input })
  }
  const broker = await startFuzzedBroker((line) => {
    const input = bySender.get(String(line.port))
    if (input) keepRare(rarePaths.ofLine(line), input)
  })

  // The last inputs, the one that ended the broker among them.
  const recent: Input[] = []
  const held: Input[] = []
  const tally = { connections: 0, mqtt: 0, http: 0, answered: 0, slowestPubackMs: 0 }
  const readings: { minute: number; resident: number; own: number }[] = []
  let failure: string | null = null
  let n = 0

  async function work(end: number): Promise<void> {
    while (n < end && broker.exit() === null && broker.complaints.length === 0) {
      const random = new Random(seed + n++)
      // The whole corpus goes first, as it is.
      const input = corpus[n - 1] ?? makeInput(random, corpus)
      recent.push(input)
      if (recent.length > 2 * AT_ONCE) recent.shift()
      const outcome = await playInput(broker.ports[input.port], input.pieces, {
        from: `127.0.0.${3 + random.below(200)}`,
        heldAfterMs: HELD_AFTER_MS,
        // Who came later was served twice, HTTP's own limits had their time, and yet this one is open.
        isServed: async () => {
          await broker.timeToPuback(n)
          await new Promise((resolve) => setTimeout(resolve, HELD_AFTER_MS))
          await broker.timeToPuback(n + 1)
        },
        onPort: (port) => bySender.set(String(port), input),
      })
      tally.connections++
      tally[input.port]++
      if (outcome.answer.length > 0) tally.answered++
      if (outcome.isHeld) {
        print(`${minutes(began)} min: not let go: ${input.port}, answered ${outcome.answer.toString('hex')}`)
        held.push(input)
      }
      keepRare(rarePaths.ofAnswer(input.port, outcome.answer), input)
    }
  }

  while (failure === null && performance.now() < until) {
    bySender.clear()
    const end = n + PER_ROUND
    await Promise.all(Array.from({ length: AT_ONCE }, () => work(end)))
    if (broker.exit() !== null) failure = `the broker ended: ${broker.exit()}; ${broker.complaints.join(' ')}`
    else if (broker.complaints.length > 0) failure = `the broker complained: ${broker.complaints.join(' ')}`
    else if (held.length > 0) failure = 'a connection was not let go'
    else
      try {
        tally.slowestPubackMs = Math.max(tally.slowestPubackMs, await broker.timeToPuback(n))
        readings.push({ minute: (performance.now() - began) / 60_000, ...(await broker.memory()) })
      } catch (error) {
        failure = (error as Error).message
      }
    const { resident = 0, own = 0 } = readings.at(-1) ?? {}
    print(
      `${minutes(began)} min, ${tally.connections} connections, ${resident.toFixed(1)} MB resident, ${own.toFixed(1)} MB own`,
    )
  }
  const memory = judgeMemory(readings)
  failure ??= memory.failure
  if (broker.exit() === null) await broker.stop()

  print(
    JSON.stringify({ minutes: minutes(began), ...tally, slowestPubackMs: Math.round(tally.slowestPubackMs) }),
  )
  print(memory.text)
  if (failure === null) {
    print(`nothing found; seed ${seed}`)
    return 0
  }
  print(`FOUND: ${failure}`)
  const suspects = held.length > 0 ? held : recent
  for (const file of await keepGuilty(suspects, failure, values.corpus)) print(`input: ${file}`)
  print(`seed ${seed}`)
  return 1
}

/** Keeps the suspects that do it again on their own, or all of them when none does. Memory has no single culprit. */
async function keepGuilty(suspects: Input[], failure: string, directory: string): Promise<string[]> {
  if (failure.startsWith('memory')) return []
  const guilty: Input[] = []
  let broker = await startFuzzedBroker(() => {})
  for (const input of suspects) {
    const { isHeld } = await playInput(broker.ports[input.port], input.pieces, { heldAfterMs: HELD_AFTER_MS })
    // What ends the process shows at the latest when the next request is not answered.
    const isAlive = await broker.memory().then(
      () => broker.exit() === null,
      () => false,
    )
    if (!isHeld && isAlive && broker.complaints.length === 0) continue
    guilty.push(input)
    if (isAlive) await broker.stop()
    broker = await startFuzzedBroker(() => {})
  }
  await broker.stop()
  const why = failure.slice(0, 300)
  return (guilty.length > 0 ? guilty : suspects).map((input) => saveEntry(directory, { why, ...input }))
}

function minutes(since: number): string {
  return ((performance.now() - since) / 60_000).toFixed(1)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

process.exit(await main())

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createChance } from '../../../bench/crash/chance.js'
import { planCycles } from '../../../bench/crash/plan.js'
import type { Counts } from '../../../bench/crash/plan.js'
import { runCrashes } from '../../../bench/crash/run.js'
import { temporaryDirectory } from '../../support/broker.js'

/** A short run of what `npm run crash` does for long. */
const RUNS: [store: 'embedded' | 'redis', title: string, counts: Counts][] = [
  [
    'embedded',
    'whatever was acknowledged before a SIGKILL or a SIGTERM is stored once',
    { 'kill broker twice': 1, 'stop broker': 1 },
  ],
  [
    'redis',
    'whatever was acknowledged before a SIGKILL of the broker, of Redis or of both is stored once',
    { 'kill broker': 1, 'kill redis': 1, 'kill both': 1 },
  ],
]

for (const [store, title, counts] of RUNS) {
  t.test(`${store}: ${title}, and the broker goes on`, async (t) => {
    const directory = temporaryDirectory(t)
    const lent = process.env.TEST_CERTIFICATE_DIR
    if (lent) cpSync(lent, join(directory, 'data/tls'), { recursive: true })
    const seed = Math.floor(Math.random() * 2 ** 32)
    t.comment(`seed ${seed}`)
    const chance = createChance(seed)
    const cycles = planCycles(counts, chance, { acknowledgementsMax: 100, awayMsMax: 1_000 })
    const run = await runCrashes({
      store,
      cycles,
      phones: 12,
      compareEvery: Infinity,
      directory,
      chance,
      onCycle: (line) => t.comment(line),
    })
    const { acknowledged, found, lost, duplicated } = run.comparison
    t.strictSame(run.problems, [])
    t.equal(lost, 0)
    t.equal(duplicated, 0)
    t.strictSame(found, acknowledged)
    t.ok(acknowledged.sos > 0 && acknowledged.telemetry > 0)
    t.equal(run.cycles, cycles.length)
    t.ok(run.delivered > 0, 'phones were told')
  })
}

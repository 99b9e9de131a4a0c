import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createChance } from './chance.js'
import { countKinds, KINDS, planCycles } from './plan.js'
import type { Kind } from './plan.js'
import { runCrashes } from './run.js'
import { describeRun } from './table.js'

const HELP = `Ends a broker (and Redis) again and again under load, and compares what was acknowledged with what is stored.

  npm run crash -- --store embedded|redis [--cycles 200] [--redis-cycles 50] [--seed N] [--phones 40]
                   [--compare-every 50] [--only KIND] [--verbose]

  --cycles        how often the broker gets SIGKILL
  --redis-cycles  how often Redis gets SIGKILL
  --seed          the same plan again; what happens inside it also depends on the machine
  --only          every cycle of this kind

Kinds: ${Object.entries(KINDS)
  .map(([kind, about]) => `\n  ${kind}: ${about}`)
  .join('')}

Exit code 1 when something acknowledged is lost, something is stored twice, or anything else does not hold.
`

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'embedded' },
    cycles: { type: 'string', default: '200' },
    'redis-cycles': { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    phones: { type: 'string', default: '40' },
    'compare-every': { type: 'string', default: '50' },
    only: { type: 'string' },
    verbose: { type: 'boolean', short: 'v', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help || (values.store !== 'embedded' && values.store !== 'redis')) {
  process.stdout.write(HELP)
  process.exit(values.help ? 0 : 2)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

const { store } = values
const seed = Number(values.seed)
const chance = createChance(seed)
const cycles = Number(values.cycles)
const counts = values.only
  ? { [values.only as Kind]: cycles }
  : countKinds(store, cycles, Number(values['redis-cycles']))
const directory = mkdtempSync(join(tmpdir(), 'connect-broker-crash-'))
process.stdout.write(`store ${store}, seed ${seed}, data and logs in ${directory}\n`)

const run = await runCrashes({
  store,
  cycles: planCycles(counts, chance, { acknowledgementsMax: 400, awayMsMax: 4_000 }),
  phones: Number(values.phones),
  compareEvery: Number(values['compare-every']),
  directory,
  chance,
  onCycle: (line) => void (values.verbose && process.stdout.write(`${line}\n`)),
}).catch((error: unknown) => {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exit(1)
})
process.stdout.write(`${describeRun(store, run)}\n`)
for (const problem of run.problems.slice(0, 50)) process.stdout.write(`${problem}\n`)
if (run.problems.length === 0) rmSync(directory, { recursive: true })
process.exit(run.problems.length === 0 ? 0 : 1)

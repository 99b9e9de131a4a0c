import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Cores } from './contenders/contender.js'
import { describeMachine, measureOthers } from './machine.js'
import { CONTENDERS, MEASURES, runPlan } from './plan.js'
import { readByHand, renderFigures, renderPage, renderTargets } from './report.js'
import { judge } from './targets.js'

const HELP = `Measures the broker beside what one would take instead, and writes docs/performance.md.

  npm run bench -- [--quick] [--rounds 5] [--seconds 4] [--contenders ${CONTENDERS.map(({ name }) => name).join(',')}]
                   [--only ${MEASURES.join(',')}]
                   [--clients 1000] [--rate 5000] [--connects 3000] [--idle 10000]
                   [--server-core 0] [--load-core 1] [--redis-core 1] [--out docs] [--node=ARGUMENTS]

  --quick     two short rounds and fewer idle connections
  --out       where the page and its chart go; a run that is not complete writes them only when this is given
  --node      further arguments of the contenders' Node processes: --node='--cpu-prof --cpu-prof-dir=profiles'

Needs mosquitto, redis-server, taskset and two cores. Exit code 0 when everything was measured, whether bars are
held or not.
`

/** More of a core's time than this, used by others, spoils a run. */
const QUIET = 0.1

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    contenders: { type: 'string' },
    only: { type: 'string' },
    clients: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '5000' },
    connects: { type: 'string' },
    idle: { type: 'string' },
    'server-core': { type: 'string', default: '0' },
    'load-core': { type: 'string', default: '1' },
    'redis-core': { type: 'string' },
    out: { type: 'string' },
    node: { type: 'string', default: '' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const contenders = CONTENDERS.filter(({ name }) => isListed(values.contenders, name))
const measures = MEASURES.filter((name) => isListed(values.only, name))
if (values.help || contenders.length === 0 || measures.length === 0) {
  process.stdout.write(HELP)
  process.exit(values.help ? 0 : 2)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

const rounds = Number(values.rounds ?? (values.quick ? 2 : 5))
const idle = Number(values.idle ?? (values.quick ? 1_000 : 10_000))
const sizes = {
  seconds: Number(values.seconds ?? (values.quick ? 1 : 4)),
  clients: Number(values.clients),
  rate: Number(values.rate),
  connects: Number(values.connects ?? (values.quick ? 1_000 : 3_000)),
  idle,
  growth: [100, 1_000, 10_000].filter((clients) => clients <= idle),
}
const spare = cpus().length > 2 ? '2' : values['load-core']
const cores: Cores = {
  server: values['server-core'],
  second: spare,
  load: values['load-core'],
  redis: values['redis-core'] ?? spare,
}
const directory = mkdtempSync(join(tmpdir(), 'connect-broker-bench-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
const began = performance.now()
const others = await measureOthers([cores.server, cores.load], 2_000)
const { samples, failures, remarks } = await runPlan(
  {
    rounds,
    contenders,
    measures,
    sizes,
    // Also those who call for help beside the load.
    bench: {
      cores,
      users: Math.max(idle, sizes.clients, sizes.connects) + 100,
      nodeArguments: values.node.split(' ').filter(Boolean),
    },
    directory,
  },
  (text) => process.stderr.write(`${text}\n`),
)
if (others > QUIET)
  remarks.unshift(
    `before the run others kept a core busy for ${Math.round(others * 100)} % of the time: times and rates tell little`,
  )
// Where the page goes is nothing that a reader has to repeat.
const given = process.argv.slice(2).filter((text, i, all) => text !== '--out' && all[i - 1] !== '--out')
const minutes = (performance.now() - began) / 60_000
const outcome = {
  samples,
  targets: judge(samples),
  contenders,
  remarks,
  about: [...describeMachine(), ...describeRun(minutes)],
  command: ['npm run bench', ...(given.length > 0 ? ['--', ...given] : [])].join(' '),
}
process.stdout.write(`${renderFigures(outcome)}\n\n${renderTargets(outcome.targets)}\n\n`)
process.stdout.write(
  outcome.about
    .concat(remarks)
    .map((line) => `${line}\n`)
    .join(''),
)
const isComplete =
  contenders.length === CONTENDERS.length &&
  measures.length === MEASURES.length &&
  !values.quick &&
  values.node === ''
const out = values.out ?? (isComplete ? 'docs' : undefined)
if (out !== undefined && failures === 0) await writePage(out)
process.exitCode = failures > 0 ? 1 : 0

async function writePage(out: string): Promise<void> {
  mkdirSync(out, { recursive: true })
  const file = join(out, 'performance.md')
  let before = ''
  try {
    before = readFileSync(file, 'utf8')
  } catch {
    // the first run
  }
  writeFileSync(file, renderPage(outcome, readByHand(before)))
  // Only who writes a page waits for the chart's library.
  const { drawChart } = await import('./chart.js')
  const svg = drawChart(outcome)
  if (svg !== undefined) writeFileSync(join(out, 'performance.svg'), svg)
  process.stdout.write(`${file} is written\n`)
}

function describeRun(minutes: number): string[] {
  const { server, load, redis } = cores
  const where =
    redis === load
      ? `shares core ${load} with the load`
      : redis === server
        ? "shares the server's"
        : `has core ${redis}`
  return [
    `brokers and the pipeline's worker have core ${server}, the load has core ${load}, Redis ${where} (\`appendonly yes\`, \`appendfsync always\`); CPU seconds are of every process of the contender, Redis included`,
    `${rounds} rounds of ${sizes.seconds} s a load; memory, return, growth, transports and nodes once; ${minutes.toFixed(1)} minutes in all`,
    `ingest: ${sizes.clients} clients with one message in flight, MQTT 3.1.1 because bare Aedes speaks no 5.0; with one SOS every 20 ms beside it where SOS are stored; afterwards every acknowledged number is looked for in the store`,
    `fixed rate: ${sizes.rate} messages/s over ${sizes.clients} clients, from the time at which each was due`,
    `SOS alone: 50 a second from 50 users; events: 200 users, each with the next SOS when the last is acknowledged`,
    `connects: ${sizes.connects} users, 200 at a time; idle and return: ${sizes.idle} connections`,
    'our broker runs with its own settings but for TELEMETRY_RATE and TELEMETRY_BURST, which hold one connection back and are not what is measured, and TELEMETRY_PER_APP, so that everything stored can be counted; Mosquitto with its own',
  ]
}

function isListed(list: string | undefined, name: string): boolean {
  return list === undefined || list.split(',').includes(name)
}

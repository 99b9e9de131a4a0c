import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { alertsFile, fillVariables, readPanels } from '../support/grafana.js'
import type { Panel } from '../support/grafana.js'
import { durableRedisFlags } from '../../test/support/redis.js'
import { startShippedBroker } from '../support/shipped-broker.js'
import { drawPage } from './page.js'
import { startPrometheus } from './prometheus.js'
import type { Prometheus } from './prometheus.js'
import { startTraffic } from './traffic.js'

/**
 * Runs docs/grafana against a real Prometheus that scrapes a real broker: every panel has data, nothing is alarmed
 * while all is well, and with Redis stopped the alert fires. `--page file.html` draws the panels. Exit code 0 or 1.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { page: { type: 'string' } } })
  for (const [program, packageName] of [
    ['prometheus', 'prometheus'],
    ['redis-server', 'redis-server'],
  ] as const)
    if (spawnSync(program, ['--version']).error)
      return fail(`${program} is not installed. Debian: apt-get install ${packageName}`)

  const directory = mkdtempSync(join(tmpdir(), 'connect-broker-dashboards-'))
  const socket = join(directory, 'redis.sock')
  let redis = await startRedis(directory, socket)
  const broker = await startShippedBroker({ dataDir: join(directory, 'broker'), env: { REDIS_URL: socket } })
  const prometheus = await startPrometheus({
    directory: join(directory, 'prometheus'),
    adminPort: broker.ports.admin,
    alertsFile,
  })
  const traffic = await startTraffic(broker)

  const empty = await untilFilled(prometheus)
  const before = await prometheus.alerts()
  say(`alerts while all is well: ${[...before.keys()].join(', ') || 'none'}`)

  const stoppedAt = performance.now()
  await stopped(redis)
  say('Redis stopped')
  const hasFired = await untilAlert(prometheus, 'RedisAway', 'firing', stoppedAt)
  if (values.page !== undefined) {
    writeFileSync(values.page, await drawPage(readPanels(), prometheus))
    say(`drawn: ${values.page}`)
  }
  redis = await startRedis(directory, socket)
  say('Redis is back')
  const isOver = await untilAlert(prometheus, 'RedisAway', 'inactive', performance.now())
  await traffic.stop()
  for (const child of [prometheus.child, broker.child, redis]) await stopped(child)
  rmSync(directory, { recursive: true, force: true })

  if (empty.length > 0) return fail(`no data: ${empty.join(', ')}`)
  if (before.size > 0) return fail('an alert without a reason')
  if (!hasFired || !isOver) return fail('RedisAway did not fire, or did not end')
  say('every panel has data, and the alert fires')
}

/** Titles of the panels whose queries have no data in the end. A query that Prometheus cannot read throws. */
async function untilFilled(prometheus: Prometheus): Promise<string[]> {
  const deadline = performance.now() + FILL_LIMIT_MS
  for (;;) {
    const rows: string[] = []
    const empty: string[] = []
    for (const panel of readPanels()) {
      const counts = await countSeries(panel, prometheus)
      rows.push(`  ${panel.title.padEnd(32)} ${counts.join(' + ')} series`)
      if (counts.includes(0)) empty.push(panel.title)
    }
    if (empty.length === 0 || performance.now() > deadline) {
      say(`${rows.length} panels:\n${rows.join('\n')}`)
      return empty
    }
    await pause(1_000)
  }
}

/** Series with a number, of each query of a panel. */
function countSeries(panel: Panel, prometheus: Prometheus): Promise<number[]> {
  return Promise.all(
    panel.queries.map(async ({ expr }) => {
      const series = await prometheus.query(fillVariables(expr, RATE_INTERVAL))
      return series.filter(({ points }) => points.some(([, value]) => Number.isFinite(value))).length
    }),
  )
}

async function untilAlert(
  prometheus: Prometheus,
  name: string,
  state: string,
  since: number,
): Promise<boolean> {
  for (let last = ''; performance.now() < since + ALERT_LIMIT_MS; await pause(500)) {
    const now = (await prometheus.alerts()).get(name) ?? 'inactive'
    if (now !== last) say(`${name}: ${now} after ${Math.round((performance.now() - since) / 1000)} s`)
    if (now === state) return true
    last = now
  }
  return false
}

async function startRedis(directory: string, socket: string): Promise<ChildProcess> {
  const dataDir = join(directory, 'redis')
  mkdirSync(dataDir, { recursive: true })
  const child = spawn('redis-server', durableRedisFlags(dataDir, socket), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.once('exit', () => child.kill('SIGKILL'))
  let output = ''
  for await (const chunk of child.stdout!) {
    output += String(chunk)
    if (/ready to accept connections/i.test(output)) break
  }
  return child
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function fail(reason: string): void {
  say(`FAILED: ${reason}`)
  process.exitCode = 1
}

/** A minute is enough for each counter to have grown twice. */
const FILL_LIMIT_MS = 60_000
/** The rule waits for 30 s. */
const ALERT_LIMIT_MS = 120_000
/** What Grafana makes of a scrape every second, with room for a busy machine. */
export const RATE_INTERVAL = '10s'

await main()

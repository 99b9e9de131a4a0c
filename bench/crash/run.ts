import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from './chance.js'
import { compare } from './compare.js'
import type { Comparison } from './compare.js'
import { createLedger } from './ledger.js'
import type { Ledger } from './ledger.js'
import { createLoad } from './load.js'
import { startPhones } from './phones.js'
import type { Cycle, Kind } from './plan.js'
import { createBrokerProgram, createRedisProgram } from './processes.js'
import type { Program } from './processes.js'
import { readTelemetryInRedis, readTelemetryOnDisk, readThroughTheDoor } from './stored.js'

export interface CrashRunOptions {
  store: 'embedded' | 'redis'
  cycles: Cycle[]
  phones: number
  /** Cycles between two comparisons; there is one at the end in any case. */
  compareEvery: number
  /** Empty, for the data and the logs of the programs. */
  directory: string
  chance: Chance
  /** Called after each cycle with one line about it. */
  onCycle: (line: string) => void
}

export interface CrashRun {
  cycles: number
  /** How often each got SIGKILL. */
  kills: { broker: number; redis: number }
  comparison: Comparison
  /** Copies of lifecycle events that phones received. */
  delivered: number
  /** Milliseconds from each signal to the first PUBACK of something sent after it, or HTTP 200. */
  recoveries: { kind: Kind; ms: number }[]
  /** Answers 503 to a partner that read while the broker was ready. */
  refusedReads: number
  /** What must not be, one line each; empty when everything holds. */
  problems: string[]
}

const APP = { appId: 'crash-app', secret: 'crash-secret-of-no-value' }

/**
 * Ends a real broker, and Redis, again and again while phones publish, starts them on the same data, and compares
 * what was acknowledged with what is stored. Stops at the first comparison that does not hold.
 *
 * @throws when something does not come back within WAIT_LIMIT_MS.
 */
export async function runCrashes(options: CrashRunOptions): Promise<CrashRun> {
  const { store, directory, chance } = options
  const dataDir = join(directory, 'data')
  const socket = join(directory, 'redis.sock')
  const ledger = createLedger()
  const load = createLoad()
  const ports = { mqtt: await freePort(chance), http: await freePort(chance), admin: await freePort(chance) }
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(
    join(dataDir, 'apps.json'),
    JSON.stringify({ apps: [{ appId: APP.appId, secrets: [APP.secret] }] }),
  )
  const redis =
    store === 'redis' ? createRedisProgram({ directory, socket, onProblem: ledger.noteProblem }) : null
  const broker = createBrokerProgram({
    env: {
      DATA_DIR: dataDir,
      MQTT_PORT: `${ports.mqtt}`,
      HTTP_PORT: `${ports.http}`,
      ADMIN_PORT: `${ports.admin}`,
      MQTTS_PORT: 'off',
      HTTPS_PORT: 'off',
      // What is compared must not be thrown away for being old.
      TELEMETRY_PER_APP: '10000000',
      EVENTS_PER_APP: '10000000',
      STORE_TIMEOUT_MS: '500', // as shipped; the brokers of other tests wait longer
      ...(redis ? { REDIS_URL: socket } : {}),
    },
    logFile: join(directory, 'broker.log'),
    onProblem: ledger.noteProblem,
  })

  const result: CrashRun = {
    cycles: 0,
    kills: { broker: 0, redis: 0 },
    comparison: compare(ledger, { events: [], incidents: [], openIncidents: [], trails: [], telemetry: [] }),
    delivered: 0,
    recoveries: [],
    refusedReads: 0,
    problems: [],
  }
  const returns: Promise<void>[] = []
  const later = (ms: number, act: () => void) => void returns.push(pause(ms).then(act))
  const everythingRuns = async () => void (await Promise.all(returns.splice(0)))
  const compareNow = async () => {
    await everythingRuns()
    await load.pause(WAIT_LIMIT_MS)
    await untilReady(ports.admin)
    const seen = await readThroughTheDoor(ports.http, APP, () => result.refusedReads++)
    let telemetry
    if (redis) telemetry = await readTelemetryInRedis(socket, APP.appId)
    else {
      const code = await broker.end('SIGTERM')
      if (code !== 0) ledger.noteProblem(`a stop ended with ${code}`)
      telemetry = await readTelemetryOnDisk(dataDir, APP.appId)
    }
    result.comparison = compare(ledger, { ...seen, telemetry })
    result.delivered = ledger.delivered
    result.problems = [...result.comparison.problems, ...ledger.problems]
  }

  redis?.start()
  broker.start()
  const phones = startPhones({ count: options.phones, app: APP, ports, ledger, load, chance })
  try {
    load.resume()
    for (const cycle of options.cycles) {
      const { sos, telemetry } = ledger.acknowledged
      await within(ledger.whenAcknowledged(sos + telemetry + cycle.acknowledgements), 'acknowledgements')
      if (cycle.kind.includes('redis') || cycle.kind.includes('both')) await everythingRuns()
      const began = performance.now()
      const endedAt = await perform(cycle, { broker, redis, ledger, later })
      const recoveredAt = await within(ledger.whenRecovered(endedAt), `a PUBACK after ${cycle.kind}`)
      const ms = Math.round(recoveredAt - began)
      result.recoveries.push({ kind: cycle.kind, ms })
      result.cycles++
      result.kills = { broker: broker.kills, redis: redis?.kills ?? 0 }
      options.onCycle(
        `${result.cycles}/${options.cycles.length} ${cycle.kind}: PUBACK again after ${ms} ms; acknowledged ${ledger.acknowledged.sos} sos, ${ledger.acknowledged.telemetry} telemetry`,
      )
      const isLast = result.cycles === options.cycles.length
      if (!isLast && result.cycles % options.compareEvery !== 0) continue
      // Whoever is connected is also told: events go on after a crash.
      await within(ledger.whenTold(endedAt), `an event after ${cycle.kind}`)
      await compareNow()
      const { lost, duplicated, found } = result.comparison
      options.onCycle(
        `compared: found ${found.sos} sos, ${found.telemetry} telemetry; lost ${lost}, duplicated ${duplicated}, problems ${result.problems.length}`,
      )
      if (result.problems.length > 0 || isLast) break
      broker.start()
      load.resume()
    }
  } finally {
    await everythingRuns()
    await Promise.all([phones.stop(), broker.end('SIGKILL'), redis?.end('SIGKILL')])
  }
  return result
}

interface Victims {
  broker: Program
  redis: Program | null
  ledger: Ledger
  /** Does something in so many milliseconds, whatever else happens meanwhile. */
  later: (ms: number, act: () => void) => void
}

/** Does one cycle's harm and sees to it that everything runs again. Since when publications need a living broker. */
async function perform(
  { kind, awayMs, pauseMs }: Cycle,
  { broker, redis, ledger, later }: Victims,
): Promise<number> {
  const began = performance.now()
  switch (kind) {
    case 'kill broker':
      await broker.end('SIGKILL')
      broker.start()
      return performance.now()
    case 'kill broker twice':
      await broker.end('SIGKILL')
      broker.start()
      await pause(pauseMs)
      await broker.end('SIGKILL')
      broker.start()
      return performance.now()
    case 'stop broker': {
      const code = await broker.end('SIGTERM')
      if (code !== 0) ledger.noteProblem(`a stop ended with ${code}`)
      broker.start()
      return performance.now()
    }
    case 'freeze broker':
      broker.freeze()
      await pause(awayMs)
      broker.thaw()
      return began
    case 'kill redis':
      await redis?.end('SIGKILL')
      later(awayMs, () => redis?.start())
      return performance.now()
    case 'freeze redis':
      redis?.freeze()
      later(awayMs, () => redis?.thaw())
      return began
    case 'kill both':
      await redis?.end('SIGKILL')
      await pause(pauseMs)
      await broker.end('SIGKILL')
      later(awayMs, () => redis?.start())
      broker.start()
      return performance.now()
    case 'kill broker, redis frozen':
      redis?.freeze()
      await pause(pauseMs)
      await broker.end('SIGKILL')
      later(awayMs, () => redis?.thaw())
      broker.start()
      return performance.now()
  }
}

/** A broker with a journal is `degraded` until everything in it is in the store. */
async function untilReady(adminPort: number): Promise<void> {
  const deadline = performance.now() + WAIT_LIMIT_MS
  let last: unknown
  while (performance.now() < deadline) {
    try {
      const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
      last = await response.json()
      if ((last as { status: string }).status === 'ready') return
    } catch (error) {
      last = error
    }
    await pause(50)
  }
  throw new Error(`the broker does not become ready: ${JSON.stringify(last)}`)
}

async function within<Result>(work: Promise<Result>, what: string): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    const text = `waited ${WAIT_LIMIT_MS} ms for ${what}`
    timer = setTimeout(() => reject(new Error(text)), WAIT_LIMIT_MS)
  })
  return Promise.race([work, limit]).finally(() => clearTimeout(timer))
}

/** Below the ports that the kernel gives away, so that nobody takes it while the broker is down. */
async function freePort(chance: Chance): Promise<number> {
  for (;;) {
    const server = createServer()
    const isFree = new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.once('listening', () => resolve(true))
    })
    server.listen(chance.whole(10_000, 32_000), '127.0.0.1')
    if (!(await isFree)) continue
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** Far longer than every limit and every pause of the broker. */
const WAIT_LIMIT_MS = 60_000

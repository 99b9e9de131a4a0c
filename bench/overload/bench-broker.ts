import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readReadiness } from '../../test/support/readiness.js'
import type { Readiness } from '../../test/support/readiness.js'
import { durableRedisFlags } from '../../test/support/redis.js'
import { startShippedBroker } from '../support/shipped-broker.js'
import type { ShippedBroker } from '../support/shipped-broker.js'

/** A broker, and a Redis for it, on the server's core; ended and removed by `stop`. */
export interface BenchBroker extends Pick<ShippedBroker, 'ports' | 'signIn' | 'residentBytes'> {
  redisSocket: string
  startRedis(): Promise<void>
  /** Sends the signal; resolves when it has ended, unless it is one to outlive. */
  signalRedis(signal: NodeJS.Signals): Promise<void>
  readiness(): Promise<Readiness>
  /** Sessions of logged-in clients. */
  sessions(): Promise<number>
  /** CPU seconds of the broker so far. */
  cpuSeconds(): number
  hasExited(): boolean
  stop(): Promise<void>
}

export async function startBenchBroker(
  store: 'embedded' | 'redis',
  env: NodeJS.ProcessEnv,
): Promise<BenchBroker> {
  const directory = mkdtempSync(join(tmpdir(), 'connect-broker-bench-'))
  const redisSocket = join(directory, 'redis.sock')
  let redis: ChildProcess | null = null

  async function startRedis(): Promise<void> {
    const args = ['-c', SERVER_CORE, 'redis-server', ...durableRedisFlags(directory, redisSocket)]
    redis = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    for await (const line of createInterface({ input: redis.stdout! }))
      if (/ready to accept connections/i.test(line)) return
    throw new Error('redis-server did not start')
  }

  // Whatever ends this program ends what it started.
  process.once('exit', () => redis?.kill('SIGKILL'))
  if (store === 'redis') await startRedis()
  const broker = await startShippedBroker({
    dataDir: join(directory, 'data'),
    env: {
      MQTTS_PORT: 'off',
      HTTPS_PORT: 'off',
      ...(store === 'redis' ? { REDIS_URL: redisSocket } : {}),
      ...env,
    },
    core: SERVER_CORE,
  })
  const { child, ports, signIn, residentBytes } = broker
  const hasExited = () => child.exitCode !== null || child.signalCode !== null
  return {
    ports,
    signIn,
    residentBytes,
    hasExited,
    redisSocket,
    startRedis,
    async signalRedis(signal) {
      redis!.kill(signal)
      if (signal === 'SIGTERM' || signal === 'SIGKILL') await once(redis!, 'exit')
    },
    readiness: () => readReadiness(broker),
    async sessions() {
      const text = await (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text()
      return Number(/^connect_broker_sessions (\d+)/m.exec(text)?.[1])
    },
    cpuSeconds() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS
    },
    async stop() {
      const ended = hasExited() ? null : once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      if (redis && redis.exitCode === null && redis.signalCode === null) {
        const redisEnded = once(redis, 'exit')
        redis.kill('SIGKILL')
        await redisEnded
      }
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export const SERVER_CORE = '0'
export const LOAD_CORE = '1'
/** USER_HZ of Linux. */
const CLOCK_TICKS = 100

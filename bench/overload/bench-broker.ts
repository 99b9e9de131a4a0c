import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { signUser } from '../../auth/identity.js'

/** A broker, and a Redis for it, on the server's core; ended and removed by `stop`. */
export interface BenchBroker {
  ports: { mqtt: number; http: number; admin: number }
  redisSocket: string
  startRedis(): Promise<void>
  /** Sends the signal; resolves when it has ended, unless it is one to outlive. */
  signalRedis(signal: NodeJS.Signals): Promise<void>
  signIn(externalUserId: string): { username: string; password: string }
  readiness(): Promise<{ status: string; reasons: string[] }>
  /** Sessions of logged-in clients. */
  sessions(): Promise<number>
  /** CPU seconds of the broker so far. */
  cpuSeconds(): number
  /** Resident memory of the broker in bytes. */
  residentBytes(): number
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
  const onCore = (command: string, args: string[], options: object) =>
    spawn('taskset', ['-c', SERVER_CORE, command, ...args], options)

  async function startRedis(): Promise<void> {
    const settings = [
      '--port',
      '0',
      '--unixsocket',
      redisSocket,
      '--dir',
      directory,
      '--save',
      '',
      '--appendonly',
      'yes',
    ]
    redis = onCore('redis-server', [...settings, '--appendfsync', 'always'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    for await (const line of createInterface({ input: redis.stdout! }))
      if (/ready to accept connections/i.test(line)) return
    throw new Error('redis-server did not start')
  }

  if (store === 'redis') await startRedis()
  const dataDir = join(directory, 'data')
  const main = new URL('../../broker/main.js', import.meta.url).pathname
  const broker = onCore(process.execPath, [main], {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      MQTT_PORT: '0',
      MQTTS_PORT: 'off',
      HTTP_PORT: '0',
      HTTPS_PORT: 'off',
      ADMIN_PORT: '0',
      DATA_DIR: dataDir,
      ...(store === 'redis' ? { REDIS_URL: redisSocket } : {}),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Whatever ends this program ends what it started.
  process.once('exit', () => {
    broker.kill('SIGKILL')
    redis?.kill('SIGKILL')
  })
  let ports: BenchBroker['ports'] | null = null
  const output = createInterface({ input: broker.stdout! })
  await new Promise<void>((resolve, reject) => {
    broker.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)))
    output.on('line', (line) => {
      const entry = JSON.parse(line) as { msg: string } & BenchBroker['ports']
      if (entry.msg !== 'ready') return
      ports = entry
      resolve()
    })
  })
  const { apps } = JSON.parse(readFileSync(join(dataDir, 'apps.json'), 'utf8')) as {
    apps: { secrets: string[] }[]
  }
  const secret = apps[0]!.secrets[0] as string
  const read = (name: string) => readFileSync(`/proc/${broker.pid}/${name}`, 'utf8')
  return {
    ports: ports!,
    redisSocket,
    startRedis,
    async signalRedis(signal) {
      redis!.kill(signal)
      if (signal === 'SIGTERM' || signal === 'SIGKILL') await once(redis!, 'exit')
    },
    signIn: (externalUserId) => ({
      username: `sdk:demo-app:${externalUserId}`,
      password: signUser(secret, externalUserId),
    }),
    async readiness() {
      const answer = await fetch(`http://127.0.0.1:${ports!.admin}/readyz`)
      return (await answer.json()) as { status: string; reasons: string[] }
    },
    async sessions() {
      const text = await (await fetch(`http://127.0.0.1:${ports!.admin}/metrics`)).text()
      return Number(/^connect_broker_sessions (\d+)/m.exec(text)?.[1])
    },
    cpuSeconds() {
      const fields = read('stat').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS
    },
    residentBytes: () => Number(/VmRSS:\s+(\d+)/.exec(read('status'))?.[1]) * 1024,
    hasExited: () => broker.exitCode !== null || broker.signalCode !== null,
    async stop() {
      const ended = broker.exitCode === null ? once(broker, 'exit') : null
      broker.kill('SIGTERM')
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

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { temporaryDirectory } from './broker.js'

export interface RedisServer {
  /** Path of its unix socket: a value for REDIS_URL. */
  url: string
  /** A client for looking at what the broker wrote. */
  client: Redis
  /** Ends the process with the signal and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same data. */
  start(): Promise<void>
}

/** Of a redis-server on a unix socket that has every write on its disk before it answers. */
export function durableRedisFlags(directory: string, socket: string): string[] {
  const settings = {
    port: '0',
    unixsocket: socket,
    dir: directory,
    save: '',
    appendonly: 'yes',
    appendfsync: 'always',
  }
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
}

/** A real Redis of its own on a unix socket, stopped when the test ends. `appendfsync always` unless told otherwise. */
export async function startRedis(t: Test, settings: string[] = []): Promise<RedisServer> {
  const directory = temporaryDirectory(t)
  const url = join(directory, 'redis.sock')
  let server: ChildProcess | null = null

  async function start(): Promise<void> {
    server = spawn('redis-server', [...durableRedisFlags(directory, url), ...settings], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const output = server.stdout!
    await new Promise<void>((resolve, reject) => {
      let text = ''
      output.on('data', (chunk: Buffer) => {
        text += chunk
        if (/ready to accept connections/i.test(text)) resolve()
      })
      server?.once('exit', () => reject(new Error(`redis-server ended: ${text.slice(-500)}`)))
    })
  }
  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill(signal)
    await exited
  }

  // Also when the test ends without its teardown.
  process.once('exit', () => server?.kill('SIGKILL'))
  await start()
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => 50 })
  client.on('error', () => {}) // tests stop the server on purpose
  await client.connect()
  t.teardown(async () => {
    client.disconnect()
    await stop('SIGKILL')
  })
  return { url, client, stop, start }
}

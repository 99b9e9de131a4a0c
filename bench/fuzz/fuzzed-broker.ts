import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { spawnBroker } from '../../test/support/broker.js'
import { fuzzCredentials, writeFuzzApps } from '../../test/support/fuzz-app.js'
import { connectBytes, publishBytes, sosPayload } from '../../test/support/wire-packets.js'

type LogLine = Record<string, unknown> & { level?: string; msg?: string }

export interface FuzzedBroker {
  ports: { mqtt: number; http: number; admin: number }
  /** Why the process ended, once it has: nothing but `stop` may end it. */
  exit(): string | null
  /** What it wrote that a broker in order never writes: log lines of level error and fatal, and standard error. */
  complaints: string[]
  /** Megabytes after garbage collections, the least of five readings since pages go back late: `resident` as the kernel counts it, `own` without mapped files. */
  memory(): Promise<{ resident: number; own: number }>
  /** Milliseconds from a legitimate client's connect to the PUBACK of its SOS; rejects after 90 s. */
  timeToPuback(n: number): Promise<number>
  stop(): Promise<void>
}

/** A broker of its own. `onLine` sees each line of its log. */
export async function startFuzzedBroker(onLine: (line: LogLine) => void): Promise<FuzzedBroker> {
  const directory = mkdtempSync(join(tmpdir(), 'connect-broker-fuzz-'))
  const child = spawnBroker({
    DATA_DIR: directory,
    APPS_FILE: writeFuzzApps(directory),
    MQTTS_PORT: 'off',
    HTTPS_PORT: 'off',
    CONNECT_TIMEOUT_MS: '2000',
    // What is kept must not look like a leak, and no limit by rate may hide what is behind it.
    TELEMETRY_PER_APP: '1000',
    EVENTS_PER_APP: '1000',
    SESSIONS_PER_USER: '100',
    TELEMETRY_RATE: '1000000',
    TELEMETRY_BURST: '1000000',
    LOGIN_FAILURES_PER_IDENTITY: '1000000',
    LOGIN_FAILURES_PER_ADDRESS: '1000000',
    CONNECTION_RATE_MAX: '1000000',
    LOOP_LAG_MAX_MS: '10000',
    NODE_OPTIONS: `--import ${new URL('../../test/support/gc-on-signal.js', import.meta.url).href}`,
  })
  const complaints: string[] = []
  let exit: string | null = null
  let isStopping = false
  child.stderr?.on('data', (chunk: Buffer) => complaints.push(`standard error: ${chunk}`))
  const ended = once(child, 'close').then(([code, signal]) => {
    if (!isStopping) exit = `exit code ${code}, signal ${signal}`
  })
  const ports = await new Promise<FuzzedBroker['ports']>((resolve, reject) => {
    void ended.then(() => reject(new Error(`the broker did not start: ${complaints.join('')}`)))
    createInterface({ input: child.stdout! }).on('line', (text) => {
      const line = JSON.parse(text) as LogLine
      if (line.msg === 'ready') resolve(line as unknown as FuzzedBroker['ports'])
      if (line.level === 'error' || line.level === 'fatal') complaints.push(text)
      onLine(line)
    })
  })
  return {
    ports,
    exit: () => exit,
    complaints,
    async memory() {
      const readings: { resident: number; own: number }[] = []
      for (let i = 0; i < 5; i++) {
        child.kill('SIGUSR2')
        await fetch(`http://127.0.0.1:${ports.admin}/metrics`).then((answer) => answer.text())
        await new Promise((resolve) => setTimeout(resolve, 200))
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
        const megabytes = (name: string) =>
          Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
        readings.push({ resident: megabytes('VmRSS'), own: megabytes('RssAnon') })
      }
      return readings.toSorted((one, other) => one.own - other.own)[0] as { resident: number; own: number }
    },
    timeToPuback: (n) => timeToPuback(ports.mqtt, n),
    async stop() {
      isStopping = true
      child.kill('SIGTERM')
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function timeToPuback(port: number, n: number): Promise<number> {
  const began = performance.now()
  const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' })
  let received = ''
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(new Error(`a legitimate client ${why} after ${received || 'nothing'}`))
    const timer = setTimeout(() => fail('waited 90 s'), 90_000)
    socket.on('error', () => {})
    socket.on('close', () => fail('was closed'))
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('hex')
      if (received !== '2002000040020001') return
      resolve(performance.now() - began)
      socket.end(Buffer.of(0xe0, 0))
    })
    socket.write(
      Buffer.concat([connectBytes(fuzzCredentials('legitimate')), publishBytes('sos/alerts', sosPayload(n))]),
    )
    socket.once('close', () => clearTimeout(timer))
  })
}

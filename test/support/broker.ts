import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { signUser } from '../../auth/identity.js'
import { leaked, passwordIn, secretsIn } from './secrets.js'

/** The project's folder, from dist/test/support. */
export const root = new URL('../../..', import.meta.url).pathname
/** The broker as it is shipped. */
export const shippedProgram = join(root, 'dist/broker/main.js')
/** The same packed into one file, which starts in half the time, when the tests run together (scripts/test.mjs). */
export const testProgram = packedProgram('broker.cjs') ?? shippedProgram

export type LogLine = Record<string, unknown> & { msg?: string }

export interface Broker {
  ports: { mqtt: number; mqtts: number; http: number; https: number; admin: number }
  dataDir: string
  caFile: string
  child: ChildProcess
  /** Every log line so far. */
  log: LogLine[]
  /** Resolves with the first log line, past or future, that fits. */
  logged(fits: (line: LogLine) => boolean): Promise<LogLine>
  /** username and password of a user of the demo app (or of `appId` with `secret`). */
  credentials(externalUserId: string, appId?: string, secret?: string): Credentials
  /** Sends the signal and resolves with the exit code (null when killed). */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface Credentials {
  username: string
  password: string
  externalUserId: string
  appId: string
}

/**
 * A real broker in a process of its own, on free ports, with a fresh data directory unless one is given.
 * It is stopped, and a directory made here removed, when the test ends.
 */
export async function startBroker(
  t: Test,
  {
    env = {},
    dataDir,
    program,
    nodeOptions,
  }: { env?: NodeJS.ProcessEnv; dataDir?: string; program?: string; nodeOptions?: string[] } = {},
): Promise<Broker> {
  const directory = dataDir ?? temporaryDirectory(t)
  if (dataDir === undefined) lendCertificate(directory)
  const child = spawnBroker({ DATA_DIR: directory, ...env }, program, nodeOptions)
  const log: LogLine[] = []
  const waiting: { fits: (line: LogLine) => boolean; resolve: (line: LogLine) => void }[] = []
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk))
  const handedOut = new Set<string>()
  const appsFile = env.APPS_FILE ?? join(directory, 'apps.json')
  createInterface({ input: child.stdout! }).on('line', (text) => {
    const line = JSON.parse(text) as LogLine
    log.push(line)
    for (const waiter of waiting.filter(({ fits }) => fits(line))) waiter.resolve(line)
  })
  const exited = once(child, 'close')
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
    // Every broker of every test is looked at, whatever the test is about.
    const secrets = new Set([...handedOut, ...secretsIn(appsFile), ...passwordIn(env.REDIS_URL)])
    const said = leaked(`${log.map((line) => JSON.stringify(line)).join('\n')}\n${errors}`, secrets)
    if (said) throw new Error(`a secret stands in what the broker wrote: ${said}`)
  })
  const logged = (fits: (line: LogLine) => boolean) => {
    const past = log.find(fits)
    return past ? Promise.resolve(past) : new Promise<LogLine>((resolve) => waiting.push({ fits, resolve }))
  }
  const ready = await Promise.race([logged(({ msg }) => msg === 'ready'), exited.then(() => null)])
  if (!ready) throw new Error(`the broker did not start: ${JSON.stringify(log.at(-1))} ${errors}`)
  return {
    ports: ready as unknown as Broker['ports'],
    dataDir: directory,
    caFile: join(directory, 'tls/cert.pem'),
    child,
    log,
    logged,
    credentials(externalUserId, appId = 'demo-app', secret = demoSecret(appsFile, appId)) {
      const password = signUser(secret, externalUserId)
      handedOut.add(password)
      return { username: `sdk:${appId}:${externalUserId}`, password, externalUserId, appId }
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      await exited
      return child.exitCode
    },
  }
}

/** A program that the test run has packed; undefined when a file runs alone. */
export function packedProgram(name: string): string | undefined {
  const directory = process.env.TEST_PROGRAMS
  return directory === undefined ? undefined : join(directory, name)
}

/** Making a certificate is a good part of a start; the test run has made one for all brokers with a directory of ours. */
function lendCertificate(dataDir: string): void {
  const lent = process.env.TEST_CERTIFICATE_DIR
  if (lent && !existsSync(join(dataDir, 'tls'))) cpSync(lent, join(dataDir, 'tls'), { recursive: true })
}

/** Starts the broker's process, on free ports unless told otherwise. */
export function spawnBroker(
  env: NodeJS.ProcessEnv,
  program = testProgram,
  nodeOptions: string[] = [],
): ChildProcess {
  const anyPorts = {
    HOST: '127.0.0.1',
    MQTT_PORT: '0',
    MQTTS_PORT: '0',
    HTTP_PORT: '0',
    HTTPS_PORT: '0',
    ADMIN_PORT: '0',
    // On a busy machine a Redis that is well may need longer than the default.
    STORE_TIMEOUT_MS: '2000',
  }
  // No threads for the compiler: most brokers here live for a second, and two cores have others to serve.
  const child = spawn(process.execPath, ['--v8-pool-size=0', ...nodeOptions, program], {
    env: { PATH: process.env.PATH, ...anyPorts, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** None outlives a test that ends without its teardown. */
const running = new Set<ChildProcess>()
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** A directory of its own for a test, removed when the test ends. */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'connect-broker-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function demoSecret(appsFile: string, appId: string): string {
  const { apps } = JSON.parse(readFileSync(appsFile, 'utf8')) as {
    apps: { appId: string; secrets: string[] }[]
  }
  const secret = apps.find((app) => app.appId === appId)?.secrets[0]
  if (secret === undefined) throw new Error(`no app ${appId} in ${appsFile}`)
  return secret
}

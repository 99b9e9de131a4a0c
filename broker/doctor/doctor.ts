import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { App } from '../../auth/apps.js'
import { createUser, signUser } from '../../auth/identity.js'
import { DRILL_USER } from '../../store/drill-user.js'
import type { Config } from '../config.js'
import { beginDrill } from './drill.js'
import type { Drill } from './drill.js'
import { isHttp, ownEndpoints } from './endpoints.js'
import type { Endpoint } from './endpoints.js'
import type { Trust } from './examine-certificate.js'
import { look } from './finding.js'
import type { Finding } from './finding.js'
import { ask } from './http-client.js'
import { lookAtAdmin } from './look-at-admin.js'
import { lookAtData } from './look-at-data.js'
import { lookAtRedis } from './look-at-redis.js'
import { openSession } from './mqtt-session.js'
import type { Login } from './mqtt-session.js'
import { openWire } from './open-wire.js'

export interface DoctorOptions {
  config: Config
  app: App
  /** Addresses in front of the listeners, as apps are given them; empty: the listeners themselves. */
  endpoints: Endpoint[]
  name: string | undefined
  authorities: string[]
  withSos: boolean
}

/** Looks at everything between a phone and the disk, from where the settings of the broker can be read. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const { config, app, withSos } = options
  const trust = trustOf(options)
  const own = ownEndpoints(config)
  const endpoints = options.endpoints.length > 0 ? options.endpoints : own.endpoints
  const login = loginOf(app)
  const findings: Finding[] = [
    ...(await look('data', () => lookAtData(config.dataDir))),
    ...(config.redisUrl === undefined
      ? []
      : await look('redis', () => lookAtRedis(config.redisUrl!, config.retention))),
    ...(await look('admin', () => lookAtAdmin(config, trust))),
  ]
  if (options.endpoints.length === 0)
    for (const variable of own.unknown)
      findings.push({
        check: 'settings',
        is: 'warning',
        says: `not looked at: ${variable} is 0, any free one; --url names it`,
      })

  const web: Endpoint[] = []
  for (const endpoint of endpoints.filter(isHttp)) {
    const found = await look(endpoint.kind, () => lookAtHttp(endpoint, trust, login))
    findings.push(...found)
    if (found.some(({ check, is }) => check === endpoint.kind && is === 'ok')) web.push(endpoint)
  }
  const drill = withSos ? await tryToBegin(web[0], trust, login, findings) : null
  try {
    for (const endpoint of endpoints.filter((one) => !isHttp(one)))
      findings.push(
        ...(await look(endpoint.kind, () => lookAtMqtt({ endpoint, trust, login, drill, config }))),
      )
  } finally {
    if (drill) findings.push(...(await look('drill', () => drill.end())))
  }
  return findings
}

/** A signed user asks for himself: identity, answer, certificate, and the server's clock. */
async function lookAtHttp(endpoint: Endpoint, trust: Trust, login: Login): Promise<Finding[]> {
  const answer = await ask(endpoint, trust, 'GET', '/v1/sdk/me', login)
  const check = endpoint.kind
  const findings = [...answer.findings, ...lookAtClock(answer.clockAheadS)]
  if (answer.status === 200) return [...findings, { check, is: 'ok', says: 'login, answer' }]
  const { message } = (answer.json.error ?? {}) as { message?: string }
  const says =
    answer.status === 401
      ? `the login is refused: the broker holds no app ${login.appId} with this secret; is APPS_FILE here the file that it reads, and the app enabled?`
      : `the profile is answered with ${answer.status}${message === undefined ? '' : `: ${message}`}`
  return [...findings, { check, is: 'fault', says }]
}

/** Phones take an event for their SOS only if its time is near their own; certificates have times too. */
function lookAtClock(seconds: number): Finding[] {
  if (Math.abs(seconds) < CLOCK_WARNING_S) return []
  const how = `the broker's clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} this machine's`
  const is = Math.abs(seconds) < CLOCK_FAULT_S ? 'warning' : 'fault'
  return [{ check: 'clock', is, says: `${how}: let both follow NTP, phones compare times` }]
}

async function lookAtMqtt(options: {
  endpoint: Endpoint
  trust: Trust
  login: Login
  drill: Drill | null
  config: Config
}): Promise<Finding[]> {
  const { endpoint, trust, login, drill, config } = options
  const { stream, findings } = await openWire(endpoint, trust)
  try {
    // Known by then, and worth telling whatever follows.
    const rest = await look(endpoint.kind, async () => {
      const session = await openSession(stream, login, closedHint(config))
      const done: Finding = drill
        ? await drill.send(session, endpoint)
        : { check: endpoint.kind, is: 'ok', says: 'login, subscription; no SOS was sent' }
      session.end()
      return [done]
    })
    return [...findings, ...rest]
  } finally {
    stream.destroy()
  }
}

async function tryToBegin(
  web: Endpoint | undefined,
  trust: Trust,
  login: Login,
  findings: Finding[],
): Promise<Drill | null> {
  if (!web) {
    findings.push({
      check: 'drill',
      is: 'warning',
      says: 'no SOS is sent: without HTTP it could not be taken back',
    })
    return null
  }
  let drill: Drill | null = null
  findings.push(
    ...(await look('drill', async () => {
      drill = await beginDrill((method, path) => ask(web, trust, method, path, login))
      return []
    })),
  )
  return drill
}

function loginOf({ appId, secrets }: App): Login {
  const { userId } = createUser({ appId, externalUserId: DRILL_USER })
  return {
    appId,
    externalUserId: DRILL_USER,
    userId,
    userHash: signUser(secrets.at(-1) as string, DRILL_USER),
  }
}

function trustOf({ config, name, authorities }: DoctorOptions): Trust {
  const file = config.tls?.certFile ?? join(config.dataDir, 'tls', 'cert.pem')
  return { name, authorities, ownCertificate: tryToRead(file), isSelfMade: config.tls === null }
}

function tryToRead(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function closedHint({ door }: Config): string {
  return door.proxyNetworks.length === 0
    ? ''
    : '; PROXY_NETWORKS is set: if this machine is in it, go through the proxy with --url'
}

const CLOCK_WARNING_S = 5
/** A phone ignores an event that is further ahead of its clock. */
const CLOCK_FAULT_S = 30

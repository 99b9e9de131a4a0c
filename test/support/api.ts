import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import mqtt from 'mqtt'
import type { MqttClient } from 'mqtt'
import type { Test } from 'tap'
import { createUser } from '../../auth/identity.js'
import { startBroker, temporaryDirectory } from './broker.js'
import type { Broker, Credentials } from './broker.js'
import { startRedis } from './redis.js'

/** Two apps: the first is rotating its secret. */
export const APPS = [
  { appId: 'app-a', secrets: ['old secret of a', 'new secret of a: ñ'], disabled: false },
  { appId: 'app-b', secrets: ['secret of b'], disabled: false },
]

/** What a test runs on: one node with its own disk, one on Redis, two on the same Redis. */
export type Setup = 'embedded store' | 'redis store' | 'two nodes'

/** Two nodes, or the same one twice, that know APPS. */
export async function startNodes(
  t: Test,
  setup: Setup,
  settings: NodeJS.ProcessEnv = {},
): Promise<[Broker, Broker]> {
  const env = { APPS_FILE: writeApps(t), ...settings }
  if (setup === 'embedded store') {
    const only = await startBroker(t, { env })
    return [only, only]
  }
  const onRedis = { ...env, REDIS_URL: (await startRedis(t)).url }
  if (setup === 'redis store') {
    const only = await startBroker(t, { env: onRedis })
    return [only, only]
  }
  return Promise.all([startBroker(t, { env: onRedis }), startBroker(t, { env: onRedis })])
}

/** Path of an apps file with APPS. */
export function writeApps(t: Test): string {
  const file = join(temporaryDirectory(t), 'apps.json')
  writeFileSync(file, JSON.stringify({ apps: APPS }))
  return file
}

export interface IncidentJson extends Record<string, unknown> {
  id: string
  state: string
  status: string
  reports?: number
  openedBy?: { userId: string; externalUserId: string }
  relayedBy?: { userId: string; externalUserId: string }[]
  user?: { userId: string; externalUserId: string }
}

export interface EventJson extends Record<string, unknown> {
  id: string
  type: string
  incidentId: string
  externalUserId: string
  version: number
  relayedBy?: { externalUserId: string }
  report?: { timestamp: string }
}

/** Every body that the routes answer, as far as tests look into it. */
export interface Body {
  incident?: IncidentJson | null
  incidents?: IncidentJson[]
  pagination?: { next_cursor: string | null; has_more: boolean }
  trail?: Record<string, unknown>[]
  events?: EventJson[]
  next?: string
  user?: Record<string, unknown>
  revokedAt?: string | null
  position?: Record<string, unknown> | null
  device?: { id: string }
  devices?: Record<string, unknown>[]
  contact?: { id: string }
  contacts?: Record<string, unknown>[]
  alerts?: IncidentJson[]
  sessions?: Record<string, unknown>[]
  error?: { code: string; message: string }
}

export interface Answer {
  status: number
  text: string
  body: Body
}

/** One request on a connection of its own. Header values are text; they go out as UTF-8. */
export function call(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Answer> {
  const bytes = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const asBytes = Object.entries(headers).map(([name, value]) => [
    name,
    Buffer.from(value).toString('latin1'),
  ])
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        port,
        host: '127.0.0.1',
        method,
        path,
        agent: false,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(bytes),
          ...Object.fromEntries(asBytes),
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({
            status: response.statusCode ?? 0,
            text,
            body: text.startsWith('{') ? (JSON.parse(text) as Body) : {},
          })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(Buffer.from(bytes)) // text would drag the headers into UTF-8 once more
  })
}

export interface Client {
  get(path: string): Promise<Answer>
  post(path: string, body?: unknown): Promise<Answer>
  put(path: string, body?: unknown): Promise<Answer>
  delete(path: string): Promise<Answer>
}

/** The SDK's HTTP surface with one user's headers; paths are relative to /v1/sdk. */
export function sdkOf(broker: Broker, user: Credentials): Client {
  const { appId, externalUserId, password } = user
  return clientOf(broker, '/v1/sdk', {
    'x-app-id': appId,
    'x-user-id': externalUserId,
    authorization: `Bearer ${password}`,
  })
}

/** The partner's own server; paths are relative to /v1/backend. */
export function backendOf(broker: Broker, appId = 'app-a', secret?: string): Client {
  return clientOf(broker, '/v1/backend', { authorization: basic(appId, secret) })
}

/** An Authorization header with an app's first secret unless one is given. */
export function basic(appId: string, secret = APPS.find((app) => app.appId === appId)?.secrets[0]): string {
  return `Basic ${Buffer.from(`${appId}:${secret}`).toString('base64')}`
}

function clientOf(broker: Broker, prefix: string, headers: Record<string, string>): Client {
  const send = (method: string) => (path: string, body?: unknown) =>
    call(broker.ports.http, method, prefix + path, headers, body)
  return { get: send('GET'), post: send('POST'), put: send('PUT'), delete: send('DELETE') }
}

/** An event as a phone receives it. */
export interface WireEvent extends Record<string, unknown> {
  type: string
  userId: string
  incidentId: string
  status?: string
  occurredAt?: string
}

/** An MQTT session of a user, subscribed to the events under his UUID. */
export interface Phone {
  client: MqttClient
  userId: string
  /** The next event that was not taken yet. */
  next(): Promise<WireEvent>
  /** Resolves with PUBACK. */
  report(fields?: object): Promise<void>
  telemetry(fields: object): Promise<void>
}

export async function connectPhone(t: Test, broker: Broker, user: Credentials): Promise<Phone> {
  const { username, password, appId, externalUserId } = user
  const { userId } = createUser({ appId, externalUserId })
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.ports.mqtt}`, {
    protocolVersion: 5,
    username,
    password,
    reconnectPeriod: 0,
  })
  t.teardown(() => client.endAsync(true))
  const events: WireEvent[] = []
  let wake = () => {}
  client.on('message', (_topic, payload) => {
    events.push(JSON.parse(payload.toString()) as WireEvent)
    wake()
  })
  await client.subscribeAsync(`sos/events/${userId}`, { qos: 1 })
  const publish = async (topicName: string, message: object) => {
    await client.publishAsync(topicName, JSON.stringify(message), { qos: 1 })
  }
  return {
    client,
    userId,
    async next() {
      for (;;) {
        const event = events.shift()
        if (event) return event
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    report: (fields = {}) => publish('sos/alerts', sosReport(fields)),
    telemetry: (fields) => publish('tel/data', { ...sosReport(), ...fields }),
  }
}

let moment = Date.parse('2026-05-01T10:00:00Z')

/** A report with a time of its own. */
export function sosReport(fields: object = {}): { timestamp: string } & Record<string, unknown> {
  return {
    timestamp: new Date(moment++).toISOString(),
    latitude: 41.4,
    longitude: 2.2,
    altitude: 12.5,
    ...fields,
  }
}

/** Registers a device and, since changes of one user's record are made in turn, waits for aliases under way. */
export async function register(user: Client, hardwareId: string): Promise<string> {
  const { status, body } = await user.post('/devices', {
    hardware_id: hardwareId,
    firmware_version: '1.0.0',
    hardware_model: 'node',
    paired_at: '2026-04-01T08:00:00Z',
  })
  if (status !== 200 || !body.device) throw new Error(`device not registered: ${status}`)
  return body.device.id
}

/** An app's whole event log, oldest first. */
export async function eventLogOf(broker: Broker, appId = 'app-a', secret?: string): Promise<EventJson[]> {
  const log: EventJson[] = []
  for (let after = '0'; ;) {
    const { body } = await backendOf(broker, appId, secret).get(`/events?limit=500&after=${after}`)
    log.push(...(body.events ?? []))
    if (body.events?.length !== 500) return log
    after = body.next ?? ''
  }
}

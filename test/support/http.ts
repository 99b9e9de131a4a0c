import { readFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import type { Broker, Credentials } from './broker.js'

export interface HttpAnswer {
  status: number
  headers: IncomingHttpHeaders
  /** The body as it came. */
  text: string
  /** The body as JSON, undefined when there is none. */
  json: unknown
}

export interface RequestOptions {
  /** Sent as JSON, or as the bytes of a Buffer; absent: an empty body. */
  body?: unknown
  /** Header values to send instead; undefined leaves one out. */
  headers?: Record<string, string | undefined>
}

/** A phone of one user: what the SDK sends over HTTP, with exactly its headers. */
export interface Phone {
  get(path: string, options?: RequestOptions): Promise<HttpAnswer>
  post(path: string, body?: unknown, options?: RequestOptions): Promise<HttpAnswer>
  put(path: string, body?: unknown, options?: RequestOptions): Promise<HttpAnswer>
  delete(path: string, options?: RequestOptions): Promise<HttpAnswer>
}

export function createPhone(
  broker: Pick<Broker, 'ports' | 'caFile'>,
  credentials: Pick<Credentials, 'appId' | 'externalUserId' | 'password'>,
  over: 'http' | 'https' = 'http',
): Phone {
  const call = (method: string) => (path: string, options: RequestOptions) =>
    send(broker, over, method, path, {
      ...options,
      headers: { ...sdkHeaders(credentials), ...options.headers },
    })
  return {
    get: (path, options = {}) => call('GET')(path, options),
    post: (path, body, options = {}) => call('POST')(path, { ...options, body }),
    put: (path, body, options = {}) => call('PUT')(path, { ...options, body }),
    delete: (path, options = {}) => call('DELETE')(path, options),
  }
}

/** The SDK's headers. JSON is named as content on every request, also where there is none. */
export function sdkHeaders({
  appId,
  externalUserId,
  password,
}: Pick<Credentials, 'appId' | 'externalUserId' | 'password'>) {
  return {
    'X-App-ID': appId,
    'X-User-ID': externalUserId,
    Authorization: `Bearer ${password}`,
    'Content-Type': 'application/json',
  }
}

/** HTTP Basic with the secret in the broker's own apps file, as the partner's server sends it. */
export function backendHeaders(broker: Pick<Broker, 'dataDir'>): Record<string, string> {
  const { apps } = JSON.parse(readFileSync(join(broker.dataDir, 'apps.json'), 'utf8')) as {
    apps: { appId: string; secrets: string[] }[]
  }
  const { appId = '', secrets = [] } = apps[0] ?? {}
  return { Authorization: `Basic ${Buffer.from(`${appId}:${secrets[0]}`).toString('base64')}` }
}

/** One request on a connection of its own. Header values go out as the bytes of their UTF-8. */
export function send(
  { ports, caFile }: Pick<Broker, 'ports' | 'caFile'>,
  over: 'http' | 'https',
  method: string,
  path: string,
  { body, headers = {} }: RequestOptions = {},
): Promise<HttpAnswer> {
  const bytes =
    body === undefined ? Buffer.alloc(0) : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
  const sent: OutgoingHttpHeaders = method === 'GET' ? {} : { 'Content-Length': bytes.length }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) delete sent[name]
    else sent[name] = Buffer.from(value).toString('latin1')
  }
  const target = { host: '127.0.0.1', port: ports[over], method, path, headers: sent, agent: false }
  return new Promise((resolve, reject) => {
    const request =
      over === 'http'
        ? requestHttp(target)
        : requestHttps({ ...target, ca: readFileSync(caFile), servername: 'localhost' })
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = /^application\/json\b/.test(response.headers['content-type'] ?? '')
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: isJson && text !== '' ? JSON.parse(text) : undefined,
        })
      })
    })
    // A Buffer, even an empty one: a string would be joined with the headers and encoded like them.
    if (bytes.length > 0) request.write(bytes)
    request.end()
  })
}

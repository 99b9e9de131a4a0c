import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { Config } from '../config.js'
import { chooseApp } from './choose-app.js'
import { Failure, UsageError } from './command.js'

export interface Backend {
  appId: string
  /** The answer's JSON. @throws Failure with what the broker said. */
  get<Answer>(path: string): Promise<Answer>
  post<Answer>(path: string, body: object): Promise<Answer>
  delete<Answer>(path: string): Promise<Answer>
}

/**
 * The running broker's own surface for the partner's server, with the app's secret from APPS_FILE: whoever may read that
 * file may do this. Asked over HTTP because the embedded store has one owner, the broker, and because what is done so is
 * in the event log like everything else.
 */
export function openBackend(config: Config, options: { app?: string; url?: string; host?: string }): Backend {
  const app = chooseApp(config.appsFile, options.app)
  const base = options.url === undefined ? ownAddress(config) : readUrl(options.url)
  const isOwn = options.url === undefined

  async function call(method: string, path: string, body?: object): Promise<unknown> {
    // Newest first; where the broker has not read it yet, or was started with another file, the older one may do.
    for (const secret of app.secrets.toReversed()) {
      const login = `${app.appId}:${secret}`
      const answer = await send({ config, base, isOwn, method, path, login, body, host: options.host })
      if (answer.status === 401) continue
      if (answer.status < 300) return answer.json
      throw new Failure(`${answer.json.error?.message ?? 'the broker answered'} (${answer.status})`)
    }
    throw new Failure(
      `the broker does not take the secret of ${app.appId} in ${config.appsFile}: is that its APPS_FILE, and the app enabled?`,
    )
  }

  return {
    appId: app.appId,
    get: <Answer>(path: string) => call('GET', path) as Promise<Answer>,
    post: <Answer>(path: string, body: object) => call('POST', path, body) as Promise<Answer>,
    delete: <Answer>(path: string) => call('DELETE', path) as Promise<Answer>,
  }
}

function ownAddress({ host, ports }: Config): URL {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  if (ports.http) return new URL(`http://${name}:${ports.http}`)
  if (ports.https) return new URL(`https://${name}:${ports.https}`)
  throw new UsageError('--url: HTTP_PORT and HTTPS_PORT do not tell where the broker listens')
}

function readUrl(text: string): URL {
  try {
    const url = new URL(text)
    if (url.protocol === 'http:' || url.protocol === 'https:') return url
  } catch {
    // told below
  }
  throw new UsageError('--url: is http://host:port or https://host:port')
}

interface Answer {
  status: number
  json: { error?: { message?: string } }
}

async function send(options: {
  config: Config
  base: URL
  isOwn: boolean
  method: string
  path: string
  login: string
  body: object | undefined
  /** The name to ask for, where it is to be another than the address. */
  host: string | undefined
}): Promise<Answer> {
  const { config, base, isOwn, method, path, login, body, host } = options
  const isTls = base.protocol === 'https:'
  const socket = isTls && isOwn ? await connectOwn(config, base) : undefined
  const bytes = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = (isTls ? requestHttps : requestHttp)(
      new URL(`/v1/backend${path}`, base),
      {
        method,
        timeout: ANSWER_LIMIT_MS,
        auth: login,
        headers: {
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
          ...(host === undefined ? {} : { host }),
        },
        ...(socket ? { createConnection: () => socket } : { agent: false }),
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode === 204) return resolve({ status: 204, json: {} })
          try {
            const json = JSON.parse(Buffer.concat(chunks).toString()) as Answer['json']
            resolve({ status: response.statusCode ?? 0, json })
          } catch {
            reject(new Failure(`${base.origin} is no connect-broker: it answered ${response.statusCode}`))
          }
        })
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Failure(`the broker does not answer on ${base.origin} (${error.code ?? error.message})`)),
    )
    request.end(bytes)
  })
}

/**
 * Our own listener, known by the certificate that the settings name, whatever its name, age or issuer: an alarm must be
 * acknowledged on the night that it expires too. Nothing is sent before that is sure.
 */
function connectOwn(config: Config, { hostname, port }: URL): Promise<TLSSocket> {
  const file = config.tls?.certFile ?? join(config.dataDir, 'tls', 'cert.pem')
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      const expected = existsSync(file) ? new X509Certificate(readFileSync(file)).fingerprint256 : 'none'
      if (socket.getPeerX509Certificate()?.fingerprint256 === expected) return resolve(socket)
      socket.destroy()
      reject(new Failure(`${hostname}:${port} shows another certificate than ${file}`))
    })
    socket.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new Failure(`the broker does not answer on ${hostname}:${port} (${error.code ?? error.message})`),
      ),
    )
  })
}

const ANSWER_LIMIT_MS = 15_000

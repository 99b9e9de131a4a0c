import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import type { Broker } from './broker.js'
import { send } from './http.js'
import type { HttpAnswer } from './http.js'

/** A browser at the live page, as far as headers go. */
export interface Operator {
  /** `name=value`, as the browser would send it back. */
  cookie: string
  get(path: string, headers?: Record<string, string | undefined>): Promise<HttpAnswer>
  post(path: string, body?: unknown, headers?: Record<string, string | undefined>): Promise<HttpAnswer>
}

/** Paths are relative to /console/api. */
export function operatorAt(broker: Broker, cookie = '', over: 'http' | 'https' = 'http'): Operator {
  const origin = `${over}://127.0.0.1:${broker.ports[over]}`
  const common = { cookie, origin, host: `127.0.0.1:${broker.ports[over]}` }
  return {
    cookie,
    get: (path, headers) =>
      send(broker, over, 'GET', `/console/api${path}`, { headers: { ...common, ...headers } }),
    post: (path, body = {}, headers) =>
      send(broker, over, 'POST', `/console/api${path}`, {
        body,
        headers: { ...common, 'x-console': '1', 'content-type': 'application/json', ...headers },
      }),
  }
}

/** @throws when the login is refused. */
export async function logIn(broker: Broker, credentials: object): Promise<Operator> {
  const answer = await operatorAt(broker).post('/login', credentials)
  if (answer.status !== 200) throw new Error(`login: ${answer.status} ${answer.text}`)
  return operatorAt(broker, cookieOf(answer))
}

/** The cookie that an answer sets, without its attributes. */
export function cookieOf({ headers }: HttpAnswer): string {
  return headers['set-cookie']?.[0]?.split(';', 1)[0] ?? ''
}

export interface PageStream {
  /** The next event of this name whose data fits. Those before it are gone. Null when the stream ended. */
  next<Data>(name: string, fits?: (data: Data) => boolean): Promise<Data | null>
}

/** The page's server-sent events. Resolves with the first one, which says that nothing can be missed. */
export async function openPageStream(t: Test, broker: Broker, cookie: string): Promise<PageStream> {
  const request = get({
    host: '127.0.0.1',
    port: broker.ports.http,
    path: '/console/api/stream',
    headers: { cookie },
    agent: false,
  })
  t.teardown(() => request.destroy())
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    request.on('response', resolve).on('error', reject),
  )
  if (response.statusCode !== 200) throw new Error(`stream: ${response.statusCode}`)
  const blocks: string[] = []
  let text = ''
  let isEnded = false
  let wake = () => {}
  response.setEncoding('utf8').on('error', () => {})
  response.on('data', (chunk: string) => {
    const parts = (text + chunk).split('\n\n')
    text = parts.pop() ?? ''
    blocks.push(...parts)
    wake()
  })
  response.on('close', () => {
    isEnded = true
    wake()
  })
  const stream: PageStream = {
    async next<Data>(name: string, fits: (data: Data) => boolean = () => true) {
      for (;;) {
        const block = blocks.shift()
        if (block !== undefined) {
          const [, event] = /^event: (.*)$/m.exec(block) ?? []
          const data = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? 'null') as Data
          if (event === name && fits(data)) return data
        } else if (isEnded) return null
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
  await stream.next('hello')
  return stream
}

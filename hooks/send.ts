import { Agent as HttpAgent, request as requestHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { SignedHeaders } from './sign.js'
import { checkAddress, createCheckedLookup, RefusedTarget } from './target.js'
import type { IsAllowed } from './target.js'

/** What became of one attempt. `why` is for people and never holds the URL, whose path may be a secret. */
export type Attempt = { is: 'delivered' } | { is: 'failed'; why: string }

/** Sends one body to a URL and tells whether the receiver took it. Never throws. */
export type Send = (
  url: string,
  headers: SignedHeaders,
  body: string,
  signal: AbortSignal,
) => Promise<Attempt>

/**
 * One POST with a limit for all of it. Taken is what is answered with 2xx. Redirects are not followed: they would lead
 * around every check of the target. Of an answer nothing but its status is read.
 */
export function createSend(options: { isAllowed: IsAllowed; timeoutMs: number }): {
  send: Send
  stop: () => void
} {
  const { isAllowed, timeoutMs } = options
  // For the many events of one outage; an idle connection would only be there to break.
  const agents = {
    'http:': new HttpAgent({ keepAlive: true, timeout: IDLE_MS, maxFreeSockets: FREE_SOCKETS_MAX }),
    'https:': new HttpsAgent({ keepAlive: true, timeout: IDLE_MS, maxFreeSockets: FREE_SOCKETS_MAX }),
  }

  async function send(
    url: string,
    headers: SignedHeaders,
    body: string,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(`no answer within ${timeoutMs} ms`), timeoutMs)
    const stop = () => limit.abort('stopped')
    signal.addEventListener('abort', stop)
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
    try {
      const answer = await post(new URL(url), headers, body, limit.signal, done)
      if (answer === 'stale') return await send(url, headers, body, signal)
      return readStatus(answer)
    } catch (error) {
      done()
      return { is: 'failed', why: explain(error, limit.signal) }
    }
  }

  /** Resolves with the status, or with `stale` when a connection that had been idle was closed before it was used. */
  function post(
    url: URL,
    headers: SignedHeaders,
    body: string,
    signal: AbortSignal,
    closed: () => void,
  ): Promise<number | 'stale'> {
    const { protocol } = url
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host)) checkAddress(host, protocol, isAllowed)
    return new Promise((resolve, reject) => {
      const outgoing = (protocol === 'https:' ? requestHttps : requestHttp)(url, {
        method: 'POST',
        agent: agents[protocol as keyof typeof agents],
        lookup: createCheckedLookup(protocol, isAllowed),
        maxHeaderSize: HEADER_BYTES_MAX,
        signal,
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'connect-broker',
        },
      })
      outgoing.on('response', (response) => {
        dropBody(response)
        resolve(response.statusCode ?? 0)
      })
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        if (outgoing.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(error.code ?? '')) resolve('stale')
        else reject(error)
      })
      outgoing.on('close', () => {
        // The limit holds until the answer has been read to its end.
        closed()
        // An answer that leads to another protocol is neither a response nor an error.
        reject(new Error('its answer is none'))
      })
      outgoing.end(body)
    })
  }

  return {
    send,
    stop() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

/** Reads a short answer to its end, so that the connection can be used again; a long or slow one ends with it. */
function dropBody(response: IncomingMessage): void {
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) response.destroy()
  })
  const timer = setTimeout(() => response.destroy(), ANSWER_MS_MAX)
  response.on('close', () => clearTimeout(timer))
  response.on('error', () => {}) // the status was all that counted
}

function readStatus(status: number): Attempt {
  if (status >= 200 && status < 300) return { is: 'delivered' }
  const isRedirect = status >= 300 && status < 400
  return { is: 'failed', why: isRedirect ? `${status}: redirects are not followed` : `status ${status}` }
}

function explain(error: unknown, signal: AbortSignal): string {
  if (error instanceof RefusedTarget) return error.message
  if (signal.aborted) return String(signal.reason)
  const { code, message } = error as NodeJS.ErrnoException
  // A message may quote the URL or what the receiver said; a code does neither.
  return code ?? (error instanceof AggregateError ? 'no address answers' : message.slice(0, 100))
}

const IDLE_MS = 5_000
const FREE_SOCKETS_MAX = 8
const HEADER_BYTES_MAX = 16_384
const ANSWER_BYTES_MAX = 65_536
/** Whoever has answered does not keep a connection for the rest of the limit with what nobody reads. */
const ANSWER_MS_MAX = 1_000

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ConsoleLogin } from '../../auth/console-login.js'
import { SESSION_MS } from '../../auth/console-session.js'
import type { ConsoleAccess, ConsoleSessions } from '../../auth/console-session.js'
import type { Log } from '../../ops/log.js'
import { HttpError } from '../errors.js'
import { text } from '../fields.js'
import { knownAddress, refusal } from '../identity.js'
import type { AddressOf } from '../identity.js'
import { isOverTls, refuseForeignPage, requireOwnPage } from './own-page.js'
import type { SessionInfo } from './wire.js'

declare module 'fastify' {
  interface FastifyRequest {
    console: ConsoleAccess
  }
}

export interface ConsoleSessionOptions {
  login: ConsoleLogin
  sessions: ConsoleSessions
  addressOf: AddressOf
  tiles: SessionInfo['tiles']
  log: Log
}

/** Lets a request through that brings a good cookie, and none that another page sent. */
export function requireConsole(app: FastifyInstance, sessions: ConsoleSessions): void {
  app.decorateRequest('console')
  app.addHook('onRequest', async (request) => {
    if (request.method === 'GET') refuseForeignPage(request)
    else requireOwnPage(request)
    const access = sessions.read(readCookie(request) ?? '')
    if (!access) throw refusal(false)
    request.console = access
  })
}

/** Routes that need no session yet. */
export function consoleLoginRoutes(options: ConsoleSessionOptions): FastifyPluginAsyncZod {
  const { login, sessions, addressOf, log } = options
  return async (app) => {
    app.addHook('onRequest', async (request) => requireOwnPage(request))
    app.post(
      '/login',
      {
        schema: {
          body: z.union([
            z.strictObject({
              appId: z.string().max(128),
              secret: z.string().max(4_096),
              who: text(64).optional(),
            }),
            z.strictObject({ token: z.string().max(512) }),
          ]),
        },
      },
      async (request, reply) => {
        const address = knownAddress(addressOf(request.raw))
        const verdict = await login({ ...request.body, address } as Parameters<ConsoleLogin>[0])
        if (verdict.is === 'refused') {
          // Without what was sent: it may be a secret in the wrong place.
          log.warn({ address, why: verdict.why }, 'login at the live page refused')
          throw refusal(verdict.why === 'throttled')
        }
        const access = sessions.read(verdict.cookie) as ConsoleAccess
        log.info({ address, apps: access.appIds(), by: access.by }, 'login at the live page')
        setCookie(request, reply, verdict.cookie)
        return infoOf(options, access)
      },
    )
    app.post('/logout', async (request, reply) => {
      setCookie(request, reply, '')
      return reply.status(204).send(null)
    })
  }
}

/** Routes of whoever is logged in. */
export function consoleSessionRoutes(options: ConsoleSessionOptions): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/session', ({ console }) => infoOf(options, console))
    app.post('/renew', async (request, reply) => {
      const cookie = options.sessions.renew(readCookie(request) ?? '')
      if (cookie === null) throw new HttpError(401, 'unauthorized', 'log in again')
      setCookie(request, reply, cookie)
      return infoOf(options, options.sessions.read(cookie) as ConsoleAccess)
    })
  }
}

function infoOf({ tiles }: ConsoleSessionOptions, { by, appIds, until }: ConsoleAccess): SessionInfo {
  return {
    by,
    apps: appIds().toSorted(),
    until: new Date(until).toISOString(),
    now: new Date().toISOString(),
    tiles,
  }
}

/** The one of TLS first: a page without TLS on the same host could have planted the other. */
function readCookie({ headers: { cookie = '' } }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const cookies = new Map(
    cookie.split('; ').map((one) => {
      const equals = one.indexOf('=')
      return [one.slice(0, equals), one.slice(equals + 1)]
    }),
  )
  return cookies.get(SECURE_COOKIE) ?? cookies.get(COOKIE)
}

function setCookie(request: FastifyRequest, reply: FastifyReply, value: string): void {
  const age = value === '' ? 0 : SESSION_MS / 1_000
  const common = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${age}`
  reply.header(
    'set-cookie',
    isOverTls(request) ? `${SECURE_COOKIE}=${value}; ${common}; Secure` : `${COOKIE}=${value}; ${common}`,
  )
}

const COOKIE = 'connect-console'
/** Browsers take this name only with Secure, from this very host. */
const SECURE_COOKIE = '__Host-connect-console'

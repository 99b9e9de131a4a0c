import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { BackendLogin, Login, Principal } from '../auth/login.js'
import { isExternalUserId } from '../auth/identity.js'
import type { Log } from '../ops/log.js'
import { HttpError } from './errors.js'

/** The identity of MQTT in headers: X-App-ID, X-User-ID, Authorization: Bearer <userHash>. */
export function requireUser(app: FastifyInstance, login: Login, addressOf: AddressOf, log: Log): void {
  app.decorateRequest('principal')
  app.addHook('onRequest', async (request) => {
    const appId = readHeader(request, 'x-app-id')
    const externalUserId = readHeader(request, 'x-user-id')
    const isName = appId !== '' && isExternalUserId(externalUserId)
    const [, hash] = /^Bearer +(\S+)$/i.exec(readHeader(request, 'authorization')) ?? []
    const address = knownAddress(addressOf(request.raw))
    const verdict = await login({
      name: isName ? { appId, externalUserId } : null,
      password: Buffer.from(hash ?? '', 'latin1'),
      address,
    })
    if (verdict.is === 'refused') {
      log.warn({ surface: 'sdk', address, appId: verdict.appId, why: verdict.why }, 'http login refused')
      throw refusal(verdict.why === 'throttled')
    }
    request.principal = verdict.principal
  })
}

/** The partner's own server: HTTP Basic, the app id and any of its live secrets. */
export function requireBackend(
  app: FastifyInstance,
  login: BackendLogin,
  addressOf: AddressOf,
  log: Log,
): void {
  app.decorateRequest('appId')
  app.decorateRequest('isStillGood')
  app.addHook('onRequest', async (request) => {
    const [, encoded] = /^Basic +(\S+)$/i.exec(readHeader(request, 'authorization')) ?? []
    const credentials = Buffer.from(encoded ?? '', 'base64').toString('utf8')
    const colon = credentials.indexOf(':')
    const address = knownAddress(addressOf(request.raw))
    const verdict = await login({
      appId: credentials.slice(0, Math.max(0, colon)),
      secret: credentials.slice(colon + 1),
      address,
    })
    if (verdict.is === 'refused') {
      // Without what was sent: it may be a secret in the wrong place.
      log.warn({ surface: 'backend', address, why: verdict.why }, 'http login refused')
      throw refusal(verdict.why === 'throttled')
    }
    request.appId = verdict.appId
    request.isStillGood = verdict.isStillGood
  })
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
    appId: string
    /** Whether the backend's secret would still be taken, for requests that last. */
    isStillGood: () => boolean
  }
}

/** Node gives header bytes as Latin-1; the SDK's are UTF-8. */
function readHeader(request: FastifyRequest, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? Buffer.from(value, 'latin1').toString('utf8') : ''
}

export type AddressOf = (request: IncomingMessage) => string | null

/** Nobody logs in whom no limit can count. */
export function knownAddress(address: string | null): string {
  if (address === null)
    throw new HttpError(400, 'unknown_client', 'the proxy in front does not say who its client is')
  return address
}

/** Clients retry on a clock of their own; no header would change it. */
export function refusal(isThrottled: boolean): HttpError {
  return isThrottled
    ? new HttpError(429, 'too_many_requests', 'too many failed logins')
    : new HttpError(401, 'unauthorized', 'missing or wrong identity')
}

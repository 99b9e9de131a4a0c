import type { FastifyRequest } from 'fastify'
import { HttpError } from '../errors.js'

/**
 * Throws unless a request that changes something comes from the page itself. The cookie is SameSite=Strict, but another
 * port or a sibling host is the same site; so the header that no form can send must be there, and the browser must name
 * our own origin, or say itself that it is the same. A page elsewhere can write neither of the two.
 */
export function requireOwnPage({ headers }: Pick<FastifyRequest, 'headers'>): void {
  if (headers['x-console'] !== '1') throw foreign()
  if (headers['sec-fetch-site'] === 'same-origin') return
  if (hostOf(headers.origin) !== headers.host?.toLowerCase()) throw foreign()
}

/** Throws when a browser says that another page asks. */
export function refuseForeignPage({ headers }: Pick<FastifyRequest, 'headers'>): void {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw foreign()
}

/** Whether the browser came by TLS, to us or to a proxy in front: it says so itself. */
export function isOverTls({ headers, raw }: Pick<FastifyRequest, 'headers' | 'raw'>): boolean {
  return 'encrypted' in raw.socket || (headers.origin?.startsWith('https://') ?? false)
}

function hostOf(origin: string | undefined): string | null {
  try {
    return origin === undefined ? null : new URL(origin).host
  } catch {
    return null
  }
}

const foreign = () => new HttpError(403, 'foreign_page', 'only the page itself may ask for this')

import type { FastifyInstance } from 'fastify'
import { HttpError } from './errors.js'

/**
 * Refuses a request in which a header stands twice that decides whose it is. Node takes the first Host and the
 * first Authorization and joins others; a proxy in front may have looked at another one. RFC 9112, section 3.2.
 */
export function refuseDoubledHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ raw: { rawHeaders } }) => {
    const seen = new Set<string>()
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] as string).toLowerCase()
      if (SINGLE.has(name) && seen.has(name))
        throw new HttpError(400, 'invalid_payload', `${name}: stands twice`)
      seen.add(name)
    }
  })
}

const SINGLE = new Set(['host', 'authorization', 'x-app-id', 'x-user-id', 'content-type'])

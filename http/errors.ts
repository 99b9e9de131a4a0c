import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Log } from '../ops/log.js'
import { InvalidCursor } from '../store/page.js'

/** The envelope of every refusal. `code` is for programs, `message` for whoever debugs one; neither repeats a secret. */
export const errorBody = z.object({ error: z.object({ code: z.string(), message: z.string() }) })

/** A refusal with its status. Thrown by routes, answered here. */
export class HttpError extends Error {
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 429 | 503,
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

export const notFound = (what: string) => new HttpError(404, 'not_found', `no such ${what}`)

/**
 * Every error leaves in the envelope. What is no refusal of ours is trouble with the store: 503, because a
 * client that reads an empty answer clears its SOS; a mistake of ours is 500. Both are logged.
 */
export function answerErrors(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((_request, reply) => {
    void reply.status(404).send(envelope('not_found', 'no such path'))
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { status, code, message } = describe(error)
    if (status >= 500)
      log.error({ method: request.method, route: request.routeOptions.url, err: error }, 'request failed')
    void reply.status(status).send(envelope(code, message))
  })
}

/** A path that cannot be decoded or is too long never reaches a route; fastify would answer in words of its own. */
export function answerBadPath(_error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  void reply.status(404).send(envelope('not_found', 'no such path'))
}

function describe(error: FastifyError): { status: number; code: string; message: string } {
  if (error instanceof HttpError) return error
  if (error instanceof InvalidCursor)
    return { status: 400, code: 'invalid_payload', message: 'cursor: not one of this list' }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [issue] = error.validation
    const field = issue?.instancePath.replace(/^\//, '').replaceAll('/', '.') || 'body'
    return { status: 400, code: 'invalid_payload', message: `${field}: ${issue?.message ?? 'invalid'}` }
  }
  if (error.statusCode === 413)
    return { status: 413, code: 'payload_too_large', message: 'the body is too large' }
  if (error.statusCode === 415)
    return { status: 415, code: 'unsupported_media_type', message: 'send application/json' }
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return { status: error.statusCode, code: 'invalid_payload', message: error.message }
  }
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    return { status: 500, code: 'internal', message: 'a mistake of the server' }
  }
  return { status: 503, code: 'unavailable', message: 'the store does not answer, try again' }
}

function envelope(code: string, message: string) {
  return { error: { code, message } }
}

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Handler } from '../../handlers/handler.js'
import { errorBody, HttpError } from '../errors.js'

/** One position or heartbeat: the same handler as over MQTT. */
export function telemetryRoutes({ telemetry }: { telemetry: Handler }): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/telemetry',
      {
        config: { isRawBody: true },
        schema: { summary: 'Send telemetry', response: { 200: z.object({}), 400: errorBody } },
      },
      async ({ principal, body }) => {
        const outcome = await telemetry({ user: principal, payload: body as Buffer, way: 'http' })
        if (outcome.is !== 'accepted') throw new HttpError(400, 'invalid_payload', outcome.why)
        return {}
      },
    )
  }
}

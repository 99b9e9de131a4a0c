import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Webhooks } from '../../hooks/webhooks.js'
import { toEventJson } from '../../store/event-json.js'
import { errorBody, notFound } from '../errors.js'

/** How the app's web hooks do, what could not be delivered, and another try at it. */
export function webhookRoutes(
  webhooks: Pick<Webhooks, 'status' | 'deadLetters' | 'redeliver'>,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/webhooks',
      {
        schema: {
          summary: 'Web hooks of the app and how far each has got',
          response: { 200: z.object({ webhooks: z.array(statusBody) }) },
        },
      },
      async ({ appId }) => ({ webhooks: await webhooks.status(appId) }),
    )
    app.get(
      '/webhooks/:webhookId/dead-letters',
      {
        schema: {
          summary: 'Events that a web hook did not take in time, oldest first',
          params: byId,
          querystring: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
          response: { 200: z.object({ deadLetters: z.array(letterBody) }), 404: errorBody },
        },
      },
      async ({ appId, params, query }) => {
        const letters = await webhooks.deadLetters({ appId, ...params })
        if (!letters) throw notFound('web hook')
        return {
          deadLetters: letters.slice(0, query.limit).map(({ logId, event, at, attempts, reason }) => ({
            at,
            attempts,
            reason,
            event: { ...toEventJson({ logId, event }) },
          })),
        }
      },
    )
    app.post(
      '/webhooks/:webhookId/dead-letters/redeliver',
      {
        schema: {
          summary:
            'Send dead letters once more, oldest first, until one is not taken; with eventId that one alone',
          params: byId,
          body: z.object({ eventId: z.string('is a string').max(64).optional() }).nullish(),
          response: { 200: redeliveryBody, 404: errorBody },
        },
      },
      async ({ appId, params, body }) => {
        const outcome = await webhooks.redeliver({ appId, ...params }, body?.eventId)
        if (!outcome) throw notFound('web hook')
        return outcome
      },
    )
  }
}

const byId = z.object({ webhookId: z.string() })
const statusBody = z.object({
  id: z.string(),
  target: z.string(),
  state: z.enum(['starting', 'delivering', 'failing']),
  position: z.string().nullable(),
  deliveredAt: z.string().nullable(),
  failure: z.object({ at: z.string(), reason: z.string() }).nullable(),
  held: z.array(z.object({ incidentId: z.string(), since: z.string() })),
  waiting: z.number().int(),
  waitingSince: z.string().nullable(),
  deadLetters: z.number().int(),
  deadLettersDropped: z.number().int(),
  gaps: z.array(z.object({ after: z.string(), before: z.string(), at: z.string() })),
})
const letterBody = z.object({
  at: z.string(),
  attempts: z.number().int(),
  reason: z.string(),
  event: z.record(z.string(), z.unknown()),
})
const redeliveryBody = z.object({
  delivered: z.number().int(),
  failed: z.object({ eventId: z.string(), reason: z.string() }).nullable(),
  left: z.number().int(),
})

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { WebhookStatus } from '../../hooks/status.js'
import type { Webhooks } from '../../hooks/webhooks.js'
import type { Log } from '../../ops/log.js'
import { notFound } from '../errors.js'
import type { DeadLetterRow, HookRow, Redelivered } from './wire.js'

/** What a web hook of the app did not take, and another try at it. */
export function consoleWebhookRoutes(options: {
  webhooks: Pick<Webhooks, 'deadLetters' | 'redeliver'>
  log: Log
}): FastifyPluginAsyncZod {
  const { webhooks, log } = options
  const byId = z.object({ appId: z.string(), webhookId: z.string() })
  return async (app) => {
    app.get(
      '/webhooks/:webhookId/dead-letters',
      { schema: { params: byId } },
      async ({ params }): Promise<{ deadLetters: DeadLetterRow[] }> => {
        const letters = await webhooks.deadLetters(params)
        if (!letters) throw notFound('web hook')
        const newest = letters.slice(-SHOWN_MAX).toReversed()
        return {
          deadLetters: newest.map(({ event, at, attempts, reason }) => ({
            eventId: event.eventId,
            incidentId: event.incidentId,
            externalUserId: event.externalUserId,
            type: event.type,
            happenedAt: event.at,
            at,
            attempts,
            reason,
          })),
        }
      },
    )
    app.post(
      '/webhooks/:webhookId/dead-letters/redeliver',
      { schema: { params: byId, body: z.object({ eventId: z.string().max(64).optional() }).nullish() } },
      async ({ params, body, console: { by } }): Promise<Redelivered> => {
        const outcome = await webhooks.redeliver(params, body?.eventId)
        if (!outcome) throw notFound('web hook')
        const { delivered, failed, left } = outcome
        log.info(
          { appId: params.appId, webhook: params.webhookId, by, delivered, left },
          'dead letters sent once more from the live page',
        )
        return { delivered, left, reason: failed?.reason ?? null }
      },
    )
  }
}

/** Neither path nor query of its URL: they may be secrets. */
export function hookRowOf(status: WebhookStatus): HookRow {
  const { id, target, state, deliveredAt, failure, held, waiting, waitingSince, gaps } = status
  const { deadLetters, deadLettersDropped } = status
  const letters = { deadLetters, deadLettersDropped }
  const gapAt = gaps.at(-1)?.at ?? null
  return { id, target, state, deliveredAt, failure, held, waiting, waitingSince, ...letters, gapAt }
}

const SHOWN_MAX = 5

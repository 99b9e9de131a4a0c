import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { nextRing } from '../../store/event-bell.js'
import type { EventBell } from '../../store/event-bell.js'
import { toEventJson } from '../../store/event-json.js'
import type { EventLog } from '../../store/store.js'
import { refusal } from '../identity.js'

// 19 digits: what Redis takes is below 2^64.
const LOG_ID = /^\d{1,19}(-\d{1,19})?$/
const place = z.string().regex(LOG_ID, 'is not an id of the event log')
const eventQuery = z.object({
  after: place.default('0'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  /** Seconds to wait for an event when there is none. */
  wait: z.coerce.number().int().min(0).max(60).default(0),
})

/** The app's event log, by long poll or as server-sent events, from any place that is still kept. */
export function eventRoutes({ events, bell }: { events: EventLog; bell: EventBell }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/events',
      {
        schema: {
          summary:
            'The event log behind `after`; with Accept: text/event-stream a stream that resumes at Last-Event-ID',
          querystring: eventQuery,
        },
      },
      async (request, reply) => {
        const { appId, isStillGood, query } = request
        const { after, limit, wait } = query
        if (request.headers.accept?.includes('text/event-stream')) {
          const last = place.safeParse(request.headers['last-event-id'])
          return streamEvents(reply, { appId, isStillGood }, last.data ?? after)
        }
        // Armed before reading: an event between reading and waiting would be told only with the next one.
        const ring = nextRing(bell, appId, wait * 1_000)
        try {
          let logged = await events.readAfter(appId, after, limit)
          if (logged.length === 0 && wait > 0) {
            await ring.rung
            if (!isStillGood()) throw refusal(false)
            logged = await events.readAfter(appId, after, limit)
          }
          return { events: logged.map(toEventJson), next: logged.at(-1)?.logId ?? after }
        } finally {
          ring.cancel()
        }
      },
    )
  }

  async function streamEvents(
    reply: FastifyReply,
    { appId, isStillGood }: { appId: string; isStillGood: () => boolean },
    after: string,
  ): Promise<void> {
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    raw.write('retry: 2000\n\n')
    // One listener for the whole stream: a reader who leaves must not be waited for.
    let wake = () => {}
    raw.on('close', () => wake()).on('drain', () => wake())
    for (let from = after; !raw.destroyed;) {
      const ring = nextRing(bell, appId, HEARTBEAT_MS)
      wake = ring.cancel
      const logged = isStillGood()
        ? await events.readAfter(appId, from, STREAM_BATCH).catch(() => null)
        : null
      if (!logged) raw.destroy() // the client comes back with its Last-Event-ID, if it may
      for (const entry of logged ?? []) {
        raw.write(
          `id: ${entry.logId}\nevent: ${entry.event.type}\ndata: ${JSON.stringify(toEventJson(entry))}\n\n`,
        )
        from = entry.logId
      }
      if (raw.writableNeedDrain && !raw.destroyed) await new Promise<void>((resolve) => (wake = resolve))
      else if (logged && logged.length < STREAM_BATCH) {
        await ring.rung
        if (!raw.destroyed) raw.write(': alive\n\n')
      }
      ring.cancel()
    }
  }
}

/** Proxies end streams that are quiet for a minute. */
const HEARTBEAT_MS = 25_000
const STREAM_BATCH = 100

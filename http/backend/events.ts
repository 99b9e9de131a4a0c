import { once } from 'node:events'
import type { EventEmitter } from 'node:events'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { EventLog, LoggedEvent } from '../../store/store.js'

/** Emits an app id when that app's event log has grown. */
export type EventBell = EventEmitter

const LOG_ID = /^\d{1,20}(-\d{1,20})?$/
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
        const { after, limit, wait } = request.query
        if (request.headers.accept?.includes('text/event-stream')) {
          const last = place.safeParse(request.headers['last-event-id'])
          return streamEvents(reply, request.appId, last.data ?? after)
        }
        let logged = await events.readAfter(request.appId, after, limit)
        if (logged.length === 0 && wait > 0) {
          await nextRing(request.appId, wait * 1_000)
          logged = await events.readAfter(request.appId, after, limit)
        }
        return { events: logged.map(view), next: logged.at(-1)?.logId ?? after }
      },
    )
  }

  /** Until the app's log grows, or the limit. */
  async function nextRing(appId: string, limitMs: number): Promise<void> {
    await once(bell, appId, { signal: AbortSignal.timeout(limitMs) }).catch(() => {})
  }

  async function streamEvents(reply: FastifyReply, appId: string, after: string): Promise<void> {
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    raw.write('retry: 2000\n\n')
    for (let from = after; !raw.destroyed;) {
      // Armed before reading: an event between reading and waiting would be told only with the next one.
      const ring = nextRing(appId, HEARTBEAT_MS)
      const logged = await events.readAfter(appId, from, STREAM_BATCH).catch(() => null)
      if (!logged) return void raw.destroy() // the client comes back with its Last-Event-ID
      for (const entry of logged) {
        raw.write(`id: ${entry.logId}\nevent: ${entry.event.type}\ndata: ${JSON.stringify(view(entry))}\n\n`)
        from = entry.logId
      }
      if (raw.writableNeedDrain) await Promise.race([once(raw, 'drain'), once(raw, 'close')])
      if (logged.length < STREAM_BATCH) {
        await ring
        raw.write(': alive\n\n')
      }
    }
  }
}

function view({ logId, event }: LoggedEvent) {
  return { id: logId, ...event }
}

/** Proxies end streams that are quiet for a minute. */
const HEARTBEAT_MS = 25_000
const STREAM_BATCH = 100

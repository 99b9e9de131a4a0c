import type { ServerResponse } from 'node:http'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { ConsoleAccess } from '../../auth/console-session.js'
import type { EventBell } from '../../store/event-bell.js'
import type { LifecycleEvent, Store } from '../../store/store.js'
import type { Live } from './live.js'
import { readRows } from './rows.js'
import type { HooksNow, IncidentNews } from './wire.js'

export interface ConsoleStreamOptions {
  store: Store
  /** Emits an app id, with the event where there is one. */
  bell: EventBell
  live: Live
}

/**
 * What happens in all apps of a session, as one stream: a browser opens six connections to a host at most. The page
 * reads every list anew after each (re)connection, so nothing has to be told again.
 */
export function consoleStreamRoutes(options: ConsoleStreamOptions): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/stream', async (request, reply) => {
      reply.hijack()
      const { raw } = reply
      raw.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      })
      raw.write(`retry: 2000\nevent: hello\ndata: ${JSON.stringify({ now: new Date().toISOString() })}\n\n`)
      stream(raw, request.console, options)
    })
  }
}

function stream(
  raw: ServerResponse,
  access: ConsoleAccess,
  { store, bell, live }: ConsoleStreamOptions,
): void {
  const appIds = access.appIds()
  /** The newest event of each incident that was not told yet. */
  const untold = new Map<string, LifecycleEvent>()
  /** Told whenever they change, so what waits for a slow reader must not be left out. */
  const untoldHooks = new Map<string, HooksNow>()
  let isTelling = false

  const send = (event: string, data: unknown) =>
    raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  const mayStay = () => {
    const mine = access.isStillGood() ? access.appIds() : null
    // A page that gains or loses an app reads everything anew.
    const isSame = mine?.length === appIds.length && mine.every((appId) => appIds.includes(appId))
    if (!isSame) raw.destroy()
    return isSame
  }

  /** A reader who is slow is told where each incident is now, and not all of its way there. */
  async function tell(): Promise<void> {
    if (isTelling) return
    isTelling = true
    while (untold.size > 0 && !raw.destroyed && !raw.writableNeedDrain) {
      const events = [...untold.values()].slice(0, AT_ONCE)
      for (const { incidentId } of events) untold.delete(incidentId)
      try {
        const found = await Promise.all(
          events.map(({ appId, incidentId }) => store.incidents.read(appId, incidentId)),
        )
        const incidents = found.filter((incident) => incident !== null)
        const types = new Map(events.map(({ incidentId, type }) => [incidentId, type]))
        for (const incident of await readRows(store, incidents))
          send('incident', { type: types.get(incident.id) ?? 'processed', incident } satisfies IncidentNews)
      } catch {
        raw.destroy() // the store does not answer: the page says so and comes back
      }
    }
    isTelling = false
  }

  function tellHooks(): void {
    for (const [appId, hooks] of untoldHooks) {
      if (raw.destroyed || raw.writableNeedDrain) return
      untoldHooks.delete(appId)
      send('hooks', hooks)
    }
  }

  const onBell = (event?: LifecycleEvent) => {
    if (!mayStay() || !event) return
    untold.set(event.incidentId, event)
    void tell()
  }
  const stops = [
    ...appIds.map((appId) => {
      bell.on(appId, onBell)
      return () => bell.off(appId, onBell)
    }),
    ...appIds.map((appId) =>
      live.positionsOf(appId).watch((people) => {
        // The next look has newer ones.
        if (!raw.writableNeedDrain) send('positions', people)
      }),
    ),
    ...appIds.map((appId) =>
      live.hooksOf(appId).watch((hooks) => {
        untoldHooks.set(appId, hooks)
        tellHooks()
      }),
    ),
    // Also the sign of life by which a page knows that it still hears us.
    live.health.watch((health) => {
      if (mayStay() && !raw.writableNeedDrain) send('health', health)
    }),
  ]
  raw.on('drain', () => {
    tellHooks()
    void tell()
  })
  raw.on('error', () => {})
  raw.on('close', () => stops.forEach((stop) => stop()))
}

const AT_ONCE = 100

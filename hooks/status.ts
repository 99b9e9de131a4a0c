import type { AppWebhook } from '../auth/apps.js'
import type { EventLog, LoggedEvent } from '../store/store.js'
import { compareLogIds } from '../store/webhooks.js'
import type { WebhookState, WebhookStore } from '../store/webhooks.js'

/** How a web hook does, for the partner and for operators. Times are ISO 8601. */
export interface WebhookStatus {
  id: string
  /** Scheme, host and port; the path may be a secret. */
  target: string
  /** `starting`: no node has served it yet. `failing`: something is held, or the receiver has been left behind. */
  state: 'starting' | 'delivering' | 'failing'
  position: string | null
  deliveredAt: string | null
  failure: { at: string; reason: string } | null
  /** Incidents that wait because their delivery failed, oldest first. */
  held: { incidentId: string; since: string; after: string }[]
  /** How many events nobody has tried to deliver yet; counted up to WAITING_COUNTED. */
  waiting: number
  /** When the oldest event happened that nobody has tried to deliver yet; null: there is none. */
  waitingSince: string | null
  deadLetters: number
  /** How many dead letters had to give way to newer ones. */
  deadLettersDropped: number
  gaps: WebhookState['gaps']
}

export async function readStatus(options: {
  appId: string
  hook: AppWebhook
  store: WebhookStore
  events: EventLog
}): Promise<WebhookStatus> {
  const { appId, hook, store, events } = options
  const name = { appId, webhookId: hook.id }
  const [state, letters] = await Promise.all([store.read(name), store.countDead(name)])
  const waiting = state ? await readWaiting(events, appId, state.position) : []
  const held = Object.entries(state?.held ?? {})
    .map(([incidentId, { since, after }]) => ({ incidentId, since, after }))
    .toSorted((a, b) => (a.since < b.since ? -1 : 1))
  return {
    id: hook.id,
    target: new URL(hook.url).origin,
    state: state === null ? 'starting' : held.length > 0 ? 'failing' : 'delivering',
    position: state?.position ?? null,
    deliveredAt: state?.deliveredAt ?? null,
    failure: state?.failure ?? null,
    held,
    waiting: waiting.length,
    waitingSince: waiting[0]?.event.at ?? null,
    deadLetters: letters.kept,
    deadLettersDropped: letters.dropped,
    gaps: state?.gaps ?? [],
  }
}

/** A log that ends before the place was reached anew: all of it waits, and soon the web hook finds that out. */
async function readWaiting(events: EventLog, appId: string, position: string): Promise<LoggedEvent[]> {
  const behind = await events.readAfter(appId, position, WAITING_COUNTED)
  if (behind.length > 0 || compareLogIds(await events.readEnd(appId), position) >= 0) return behind
  return events.readAfter(appId, '0', WAITING_COUNTED)
}

/** Half a megabyte at most, each time that somebody looks. */
export const WAITING_COUNTED = 1_000

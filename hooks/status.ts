import type { AppWebhook } from '../auth/apps.js'
import type { EventLog } from '../store/store.js'
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
  held: { incidentId: string; since: string }[]
  /** When the oldest event happened that nobody has tried to deliver yet; null: there is none. */
  waitingSince: string | null
  deadLetters: number
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
  const [state, deadLetters] = await Promise.all([store.read(name), store.countDead(name)])
  const [next] = state ? await events.readAfter(appId, state.position, 1) : []
  const held = Object.entries(state?.held ?? {})
    .map(([incidentId, { since }]) => ({ incidentId, since }))
    .toSorted((a, b) => (a.since < b.since ? -1 : 1))
  return {
    id: hook.id,
    target: new URL(hook.url).origin,
    state: state === null ? 'starting' : held.length > 0 ? 'failing' : 'delivering',
    position: state?.position ?? null,
    deliveredAt: state?.deliveredAt ?? null,
    failure: state?.failure ?? null,
    held,
    waitingSince: next?.event.at ?? null,
    deadLetters,
    gaps: state?.gaps ?? [],
  }
}

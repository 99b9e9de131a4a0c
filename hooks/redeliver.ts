import type { AppWebhook } from '../auth/apps.js'
import { toEventJson } from '../store/event-json.js'
import type { NoteDelivery } from '../store/delivery-notes.js'
import type { WebhookName, WebhookStore } from '../store/webhooks.js'
import type { Send } from './send.js'
import { signDelivery } from './sign.js'

export interface Redelivery {
  delivered: number
  /** The one at which it stopped. */
  failed: { eventId: string; reason: string } | null
  left: number
}

/**
 * Sends dead letters once more, oldest first, until one is not taken or the time is up. A person asks for this and waits
 * for the answer, so it is done by the node that was asked, whichever has the lease.
 */
export async function redeliver(options: {
  name: WebhookName
  hook: AppWebhook
  store: WebhookStore
  send: Send
  note: NoteDelivery
  /** One alone; undefined: all. */
  eventId: string | undefined
}): Promise<Redelivery> {
  const { name, hook, store, send, note, eventId } = options
  const letters = await store.readDead(name)
  const wanted = letters.filter(({ event }) => eventId === undefined || event.eventId === eventId)
  const limit = AbortSignal.timeout(REDELIVER_MS_MAX)
  let delivered = 0
  let failed: Redelivery['failed'] = null
  for (const { logId, event } of wanted) {
    const body = JSON.stringify(toEventJson({ logId, event }))
    const headers = signDelivery(hook.secrets, event.eventId, body, new Date())
    const attempt = await send(hook.url, headers, body, limit)
    if (attempt.is === 'failed') {
      failed = { eventId: event.eventId, reason: limit.aborted ? 'time is up; ask again' : attempt.why }
      break
    }
    note(event, { webhookId: name.webhookId, attempts: 1 })
    await store.removeDead(name, event.eventId)
    delivered++
  }
  return { delivered, failed, left: letters.length - delivered }
}

/** Whoever asks waits; a proxy in front gives up after a minute. */
const REDELIVER_MS_MAX = 20_000

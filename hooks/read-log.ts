import type { EventLog } from '../store/store.js'
import { compareLogIds } from '../store/webhooks.js'
import type { WebhookGap, WebhookState } from '../store/webhooks.js'
import type { Item } from './lanes.js'

/**
 * What may be missing between a place in the log and the oldest entry that is still kept, once something was read
 * behind that place; null when nothing is.
 */
export async function findGap(
  events: EventLog,
  appId: string,
  after: string,
  now: Date,
): Promise<WebhookGap | null> {
  if (after === '0') return null
  const [oldest] = await events.readAfter(appId, '0', 1)
  if (!oldest || compareLogIds(oldest.logId, after) <= 0 || isNext(after, oldest.logId)) return null
  return { after, before: oldest.logId, at: now.toISOString() }
}

/**
 * When the log ends before a place that was reached in it, it is not the same log: the store was emptied, or an older
 * one was put in its place. Null when it is the same, else what may be missing.
 */
export async function findLoss(
  events: EventLog,
  appId: string,
  after: string,
  now: Date,
): Promise<WebhookGap | null> {
  if (compareLogIds(await events.readEnd(appId), after) >= 0) return null
  const [oldest] = await events.readAfter(appId, '0', 1)
  return { after, before: oldest?.logId ?? '0', at: now.toISOString() }
}

/** Of plain numbers one can tell that nothing stood in between. */
function isNext(before: string, id: string): boolean {
  return /^\d+$/.test(before) && /^\d+$/.test(id) && BigInt(before) + 1n === BigInt(id)
}

/** The entries up to the position that belong to incidents which were held, in the order of the log. */
export async function* readHeld(
  events: EventLog,
  appId: string,
  { position, held }: Pick<WebhookState, 'position' | 'held'>,
): AsyncGenerator<Item> {
  const places = Object.values(held).map(({ after }) => after)
  let before = places.toSorted(compareLogIds)[0]
  while (before !== undefined) {
    const logged = await events.readAfter(appId, before, BATCH)
    for (const { logId, event } of logged) {
      if (compareLogIds(logId, position) > 0) return
      const place = Object.hasOwn(held, event.incidentId) ? held[event.incidentId] : undefined
      if (place && compareLogIds(logId, place.after) > 0)
        yield { logId, incidentId: event.incidentId, event: null, isDone: false }
      before = logId
    }
    if (logged.length === 0) return
  }
}

const BATCH = 500

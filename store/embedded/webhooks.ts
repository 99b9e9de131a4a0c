import type { Database, RootDatabase } from 'lmdb'
import { DEAD_LETTERS_MAX } from '../webhooks.js'
import type { DeadLetter, WebhookName, WebhookState, WebhookStore } from '../webhooks.js'
import { openCappedLog } from './capped-log.js'
import { durable } from './durable.js'

/** Web hooks in LMDB. One process alone runs here, so it has every lease. */
export function createEmbeddedWebhooks(root: RootDatabase): WebhookStore {
  const states: Database<WebhookState, string[]> = root.openDB({ name: 'webhooks', encoding: 'json' }) // appId, webhookId
  const droppedCounts: Database<number, string[]> = root.openDB({ name: 'webhook-dropped', encoding: 'json' }) // as states
  const dead = openCappedLog<DeadLetter>(root, 'webhook-dead', DEAD_LETTERS_MAX)
  return {
    async lease() {
      return true
    },
    async release() {},
    async read({ appId, webhookId }) {
      return states.get([appId, webhookId]) ?? null
    },
    async write(name, _holder, state, letters) {
      const key = [name.appId, name.webhookId]
      const work = root.transaction(() => {
        states.put(key, state)
        if (letters.length === 0) return 0
        const before = dead.count(logOf(name))
        for (const letter of letters) void dead.append(logOf(name), letter)
        const dropped = before + letters.length - dead.count(logOf(name))
        if (dropped > 0) droppedCounts.put(key, (droppedCounts.get(key) ?? 0) + dropped)
        return dropped
      })
      const [dropped] = await durable(work)
      return { dropped }
    },
    async readDead(name) {
      return dead.readLatest(logOf(name), DEAD_LETTERS_MAX).toReversed()
    },
    async countDead(name) {
      const dropped = droppedCounts.get([name.appId, name.webhookId]) ?? 0
      return { kept: dead.count(logOf(name)), dropped }
    },
    async removeDead(name, eventId) {
      await dead.removeWhere(logOf(name), ({ event }) => event.eventId === eventId)
    },
  }
}

/** No app id holds a colon, so this is one name for one web hook. */
function logOf({ appId, webhookId }: WebhookName): string {
  return `${appId}:${webhookId}`
}

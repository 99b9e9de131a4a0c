import type { Database, RootDatabase } from 'lmdb'
import { DEAD_LETTERS_MAX } from '../webhooks.js'
import type { DeadLetter, WebhookName, WebhookState, WebhookStore } from '../webhooks.js'
import { openCappedLog } from './capped-log.js'
import { durable } from './durable.js'

/** Web hooks in LMDB. One process alone runs here, so it has every lease. */
export function createEmbeddedWebhooks(root: RootDatabase): WebhookStore {
  const states: Database<WebhookState, string[]> = root.openDB({ name: 'webhooks', encoding: 'json' }) // appId, webhookId
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
      const work = root.transaction(() => {
        states.put([name.appId, name.webhookId], state)
        for (const letter of letters) void dead.append(logOf(name), letter)
      })
      await durable(work)
      return true
    },
    async readDead(name) {
      return dead.readLatest(logOf(name), DEAD_LETTERS_MAX).toReversed()
    },
    async countDead(name) {
      return dead.count(logOf(name))
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

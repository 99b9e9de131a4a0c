import { DEAD_LETTERS_MAX } from '../webhooks.js'
import type { DeadLetter, WebhookName, WebhookState, WebhookStore } from '../webhooks.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'

/** Web hooks in Redis. A node writes only while it holds the lease, so one that was asleep undoes nothing. */
export function createRedisWebhooks(redis: Commands): WebhookStore {
  const leaseOf = ({ appId, webhookId }: WebhookName) => keys.webhookLease(appId, webhookId)
  const deadOf = ({ appId, webhookId }: WebhookName) => keys.webhookDead(appId, webhookId)
  const droppedOf = ({ appId, webhookId }: WebhookName) => keys.webhookDropped(appId, webhookId)
  const stateOf = ({ appId, webhookId }: WebhookName) => keys.webhook(appId, webhookId)
  return {
    async lease(name, holder, ms) {
      return (await redis.holdLease(leaseOf(name), holder, ms)) === 1
    },
    async release(name, holder) {
      await redis.releaseLease(leaseOf(name), holder)
    },
    async read(name) {
      const json = await redis.get(stateOf(name))
      return json === null ? null : (JSON.parse(json) as WebhookState)
    },
    async write(name, holder, state, letters) {
      const dead = letters.map((letter) => JSON.stringify(letter))
      const dropped = await redis.writeWebhook(
        leaseOf(name),
        stateOf(name),
        deadOf(name),
        droppedOf(name),
        holder,
        JSON.stringify(state),
        DEAD_LETTERS_MAX,
        ...dead,
      )
      return dropped < 0 ? null : { dropped }
    },
    async readDead(name) {
      const entries = await redis.lrange(deadOf(name), 0, -1)
      return entries.map((json) => JSON.parse(json) as DeadLetter)
    },
    async countDead(name) {
      const [kept, dropped] = await Promise.all([redis.llen(deadOf(name)), redis.get(droppedOf(name))])
      return { kept, dropped: Number(dropped ?? 0) }
    },
    async removeDead(name, eventId) {
      const entries = await redis.lrange(deadOf(name), 0, -1)
      const entry = entries.find((json) => (JSON.parse(json) as DeadLetter).event.eventId === eventId)
      if (entry !== undefined) await redis.lrem(deadOf(name), 1, entry)
    },
  }
}

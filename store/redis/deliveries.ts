import { DELIVERIES_MAX } from '../deliveries.js'
import type { DeliveryNote, DeliveryStore } from '../deliveries.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'

/** Over the connection of telemetry: no SOS waits behind it. */
export function createRedisDeliveries(redis: Commands, options: { days: number }): DeliveryStore {
  return {
    async add(appId, incidentId, notes) {
      const key = keys.deliveries(appId, incidentId)
      await Promise.all([
        redis.rpush(key, ...notes.map((note) => JSON.stringify(note))),
        redis.ltrim(key, -DELIVERIES_MAX, -1),
        redis.expire(key, options.days * 86_400),
      ])
    },
    async read(appId, incidentId) {
      const found = await redis.lrange(keys.deliveries(appId, incidentId), 0, -1)
      return found.map((json) => JSON.parse(json) as DeliveryNote)
    },
  }
}

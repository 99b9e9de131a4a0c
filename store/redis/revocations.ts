import { randomUUID } from 'node:crypto'
import type { RevocationStore } from '../revocations.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'
import { readChanged } from './versioned-hash.js'

/** One versioned hash an app. */
export function createRedisRevocations(redis: Commands): RevocationStore {
  return {
    async revoke({ appId, userId }, at) {
      const key = keys.revoked(appId)
      const results = await redis
        .multi()
        .hsetnx(key, userId, at)
        .hset(key, VERSION, randomUUID())
        .hget(key, userId)
        .exec()
      return resultsOf(results).at(-1) as string
    },
    async unrevoke({ appId, userId }) {
      const key = keys.revoked(appId)
      resultsOf(await redis.multi().hdel(key, userId).hset(key, VERSION, randomUUID()).exec())
    },
    async read(appId, version) {
      const news = await readChanged(redis, keys.revoked(appId), VERSION, version)
      return news && { version: news.version, revokedAt: new Map(Object.entries(news.fields)) }
    },
  }
}

function resultsOf(results: [Error | null, unknown][] | null): unknown[] {
  if (!results) throw new Error('Redis took none of it')
  return results.map(([error, result]) => {
    if (error) throw error
    return result
  })
}

/** No user id: those are UUIDs. */
const VERSION = 'version'

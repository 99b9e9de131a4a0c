import { createHash } from 'node:crypto'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { loginFailures } from '../store/redis/keys.js'

/** Failed logins as all nodes together count them. */
export interface SharedFailures {
  /**
   * Counts one more and resolves with how many that makes and when they are forgotten; null when the store does not
   * say. Nobody should wait for it.
   */
  count(key: string): Promise<{ failures: number; msLeft: number } | null>
}

/** In Redis. `client` is a connection of ours; while it is away each node goes by its own count. */
export function createSharedFailures(options: { client: unknown; windowSeconds: number }): SharedFailures {
  const counter = new RateLimiterRedis({
    storeClient: options.client,
    keyPrefix: loginFailures,
    points: Number.MAX_SAFE_INTEGER, // each node knows the limits
    duration: options.windowSeconds,
  })
  let underWay = 0
  return {
    async count(key) {
      // A Redis that does not answer must not gather the failures of a whole attack in memory.
      if (underWay >= UNDER_WAY_MAX) return null
      underWay++
      try {
        const { consumedPoints, msBeforeNext } = await counter.penalty(digest(key))
        return { failures: consumedPoints, msLeft: msBeforeNext }
      } catch {
        return null // whoever wants to know whether Redis is there looks elsewhere
      } finally {
        underWay--
      }
    },
  }
}

/** Names and addresses are nobody's business in a dump of Redis, and keys stay short. */
function digest(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

const UNDER_WAY_MAX = 1_000

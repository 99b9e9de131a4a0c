import { RateLimiterMemory } from 'rate-limiter-flexible'
import { userKey } from '../store/user.js'
import type { User } from '../store/user.js'

/** How many people one user may raise an hour by relay. More would be somebody playing with other people's alarms. */
export interface RelayLimit {
  /** Whether this relay is within the limit. The same owner again within the hour always is. */
  mayRelay(relayer: User, owner: User): Promise<boolean>
}

export function createRelayLimit(peoplePerHour: number): RelayLimit {
  const people = new RateLimiterMemory({ points: peoplePerHour, duration: SECONDS_PER_HOUR })
  const pairs = new RateLimiterMemory({ points: 1, duration: SECONDS_PER_HOUR })
  return {
    async mayRelay(relayer, owner) {
      const relayerKey = userKey(relayer)
      const pairKey = `${relayerKey}>${owner.userId}`
      if (await pairs.get(pairKey)) return true
      try {
        await people.consume(relayerKey)
      } catch {
        return false // rate-limiter-flexible rejects what is over the limit
      }
      await pairs.set(pairKey, 1, SECONDS_PER_HOUR)
      return true
    },
  }
}

const SECONDS_PER_HOUR = 3_600

import ipaddr from 'ipaddr.js'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Username } from './identity.js'

/** Counts failed logins. What is over the limit is refused before any hash is computed. */
export interface LoginThrottle {
  isBlocked(address: string, username: Username | null): Promise<boolean>
  countFailure(address: string, username: Username | null): Promise<void>
}

export interface ThrottleLimits {
  /** Failures a minute of one identity from one address, and of all identities from one address. */
  failuresPerIdentity: number
  failuresPerAddress: number
  /** Whether loopback addresses are limited too. */
  limitLoopback: boolean
}

/**
 * An identity is limited together with the address only: whoever fails in somebody else's name locks out
 * himself and nobody else.
 */
export function createLoginThrottle(limits: ThrottleLimits): LoginThrottle {
  const window = { duration: WINDOW_SECONDS }
  const byIdentity = new RateLimiterMemory({ ...window, keyPrefix: 'i', points: limits.failuresPerIdentity })
  const byAddress = new RateLimiterMemory({ ...window, keyPrefix: 'a', points: limits.failuresPerAddress })

  const isExempt = (address: string) => !limits.limitLoopback && isLoopback(address)
  return {
    async isBlocked(address, username) {
      if (isExempt(address)) return false
      const network = networkOf(address)
      const [identity, all] = await Promise.all([
        byIdentity.get(identityKey(network, username)),
        byAddress.get(network),
      ])
      return (
        (identity?.consumedPoints ?? 0) >= limits.failuresPerIdentity ||
        (all?.consumedPoints ?? 0) >= limits.failuresPerAddress
      )
    },
    async countFailure(address, username) {
      if (isExempt(address)) return
      const network = networkOf(address)
      // penalty() counts without ever rejecting, however far over the limit.
      await Promise.all([byIdentity.penalty(identityKey(network, username)), byAddress.penalty(network)])
    },
  }
}

function identityKey(network: string, username: Username | null): string {
  return username ? `${network} ${username.appId}:${username.externalUserId}` : `${network} malformed`
}

/** An IPv4 address, also when it is written as IPv6; of IPv6 the /64, because one subscriber has all of it. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return (parsed as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')
}

export function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'
}

const WINDOW_SECONDS = 60

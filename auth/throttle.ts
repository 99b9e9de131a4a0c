import ipaddr from 'ipaddr.js'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { createLatestSet } from '../store/latest-set.js'
import type { Username } from './identity.js'
import type { SharedFailures } from './shared-failures.js'

/** Counts failed logins. What is over the limit is refused before any hash is computed. */
export interface LoginThrottle {
  isBlocked(address: string, username: Username | null): Promise<boolean>
  countFailure(address: string, username: Username | null): Promise<void>
  /** This identity is never blocked at this address again, however often others fail in its name there. */
  noteSuccess(address: string, username: Username): void
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
 * himself and nobody else. Behind the same address, where he could, whoever has logged in from there before is
 * checked all the same; to guess a hash takes 2^256 tries, so that costs nothing but the check.
 *
 * Each node refuses by what it knows itself, so that no login waits for a store. Where failures are `shared`, they
 * are counted there after the answer, and a node that learns that all nodes together are over a limit blocks too:
 * it has let through one try that another node would not have.
 */
export function createLoginThrottle(limits: ThrottleLimits, shared?: SharedFailures): LoginThrottle {
  const window = { duration: LOGIN_WINDOW_SECONDS }
  /** Identities that have logged in from an address before. */
  const known = createLatestSet<string>(KNOWN_MAX)
  const byIdentity = new RateLimiterMemory({ ...window, keyPrefix: 'i', points: limits.failuresPerIdentity })
  const byAddress = new RateLimiterMemory({ ...window, keyPrefix: 'a', points: limits.failuresPerAddress })

  async function learn(limiter: RateLimiterMemory, sharedKey: string, key: string): Promise<void> {
    const counted = await shared?.count(sharedKey)
    if (counted && counted.failures >= limiter.points)
      await limiter.block(key, Math.max(1, Math.ceil(counted.msLeft / 1_000)))
  }

  const isExempt = (address: string) => !limits.limitLoopback && isLoopback(address)
  return {
    async isBlocked(address, username) {
      if (isExempt(address)) return false
      const network = networkOf(address)
      if (username && known.has(identityKey(network, username))) return false
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
      const identity = identityKey(network, username)
      await Promise.all([byIdentity.penalty(identity), byAddress.penalty(network)])
      void learn(byIdentity, `i ${identity}`, identity)
      void learn(byAddress, `a ${network}`, network)
    },
    noteSuccess(address, username) {
      if (!isExempt(address)) known.add(identityKey(networkOf(address), username))
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

export const LOGIN_WINDOW_SECONDS = 60
/** Some 20 MB. More phones than one node serves; the longest absent is forgotten first, and is limited again. */
const KNOWN_MAX = 100_000

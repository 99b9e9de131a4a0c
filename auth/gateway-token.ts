import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import type { GatewayToken } from '../store/gateways.js'

/**
 * A gateway's password: 24 characters, which any node takes (31 from firmware 2.6 on), of an alphabet that has no two
 * that look alike and nothing that a command line would take for something else.
 */
export function createGatewayToken(): string {
  return Array.from({ length: TOKEN_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}

/** Plain SHA-256: a token has 139 random bits, so there is nothing to guess that a slow hash would protect. */
export function hashGatewayToken(token: string | Buffer): string {
  return createHash('sha256').update(token).digest('hex')
}

/**
 * The hash of the token that `password` is; null when it is none of them. Takes the same work for a gateway that is
 * not there or has one token, and compares in constant time.
 */
export function findGatewayToken(
  tokens: readonly GatewayToken[] | undefined,
  password: Buffer | undefined,
): string | null {
  const given = createHash('sha256')
    .update(password ?? '')
    .digest()
  let found: string | null = null
  for (let i = 0; i < GATEWAY_TOKENS_MAX; i++) {
    const hash = tokens?.[i]?.hash
    const isEqual = timingSafeEqual(hash === undefined ? NO_HASH : Buffer.from(hash, 'hex'), given)
    if (isEqual && hash !== undefined) found = hash
  }
  return found
}

/** The old one and the new one. */
export const GATEWAY_TOKENS_MAX = 2
const TOKEN_LENGTH = 24
const ALPHABET = '23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ'
const NO_HASH = Buffer.alloc(32)

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { v5 as uuidV5 } from 'uuid'
import type { User } from '../store/user.js'
import { APP_ID_LENGTH_MAX, SECRETS_MAX } from './app-limits.js'
import type { App } from './apps.js'

/** A username taken apart; see the identity section of docs/mqtt.md. */
export interface Username {
  appId: string
  externalUserId: string
}

/** `sdk:<appId>:<externalUserId>`, split at the first two colons; null when it is no such username. */
export function readUsername(username: string | undefined): Username | null {
  if (username === undefined || !username.startsWith('sdk:')) return null
  const colon = username.indexOf(':', 4)
  if (colon < 0) return null
  const appId = username.slice(4, colon)
  const externalUserId = username.slice(colon + 1)
  if (appId === '' || appId.length > APP_ID_LENGTH_MAX || !isExternalUserId(externalUserId)) return null
  return { appId, externalUserId }
}

/** Any characters, 1 to 244 bytes of UTF-8: with `sos/events/` before it a topic has 255. */
export function isExternalUserId(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= EXTERNAL_USER_ID_BYTES_MAX
}

const EXTERNAL_USER_ID_BYTES_MAX = 244

/** Lower-case hex of HMAC-SHA256(key: app secret, message: external user id). */
export function signUser(secret: string, externalUserId: string): string {
  return hmac(secret, externalUserId).toString('hex')
}

/**
 * Under which of the app's secrets `password` is the user's hash; null under none. Takes the same work for an app
 * that is unknown, disabled or has one secret, and compares in constant time.
 */
export function findSecret(
  app: App | undefined,
  externalUserId: string,
  password: Buffer | undefined,
): string | null {
  const text = password?.toString('latin1') ?? ''
  const isHex = /^[0-9a-f]{64}$/.test(text)
  const given = isHex ? Buffer.from(text, 'hex') : NO_HASH
  let matches = 0
  for (let i = 0; i < SECRETS_MAX; i++) {
    const secret = app?.secrets[i]
    const isEqual = timingSafeEqual(hmac(secret ?? NO_SECRET, externalUserId), given)
    matches |= (Number(isEqual) & Number(secret !== undefined)) << i
  }
  if (!app || app.disabled || !isHex || matches === 0) return null
  return app.secrets[Math.trunc(Math.log2(matches))] ?? null
}

/** Whether `secret` is one of the app's; see findAppSecret. */
export function isAppSecret(app: App | undefined, secret: string): boolean {
  return findAppSecret(app, secret) !== null
}

/** Which of the app's secrets it is, or null. The same work for an unknown app; compares digests in constant time. */
export function findAppSecret(app: App | undefined, secret: string): string | null {
  let matches = 0
  for (let i = 0; i < SECRETS_MAX; i++) {
    const known = app?.secrets[i]
    matches |= Number(isSameSecret(known ?? NO_SECRET, secret)) & Number(known !== undefined)
  }
  return matches === 1 && app?.disabled === false ? secret : null
}

/** Takes the same time whatever `given` is. */
export function isSameSecret(known: string, given: string): boolean {
  return timingSafeEqual(hmac(COMPARISON_KEY, known), hmac(COMPARISON_KEY, given))
}

/**
 * The SDK user's UUID. Derived, so that no look-up stands between a CONNECT and its topics, and from app id
 * and external user id together, because an external id is unique only within its app.
 */
export function createUser({ appId, externalUserId }: Username): User {
  return { appId, externalUserId, userId: uuidV5(`${appId}:${externalUserId}`, NAMESPACE) }
}

function hmac(secret: string | Buffer, message: string): Buffer {
  return createHmac('sha256', secret).update(message, 'utf8').digest()
}

// Digests under a key of this process have one length and tell nothing.
const COMPARISON_KEY = randomBytes(32)
const NO_SECRET = 'no such app'
const NO_HASH = Buffer.alloc(32)
// Made once for this product; changing it would give every user another UUID.
const NAMESPACE = '7a1f6f0e-5a54-4b0e-9a43-0c1d6c2f8e55'

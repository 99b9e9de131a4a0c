import type { User } from '../store/user.js'
import type { AppRegistry } from './apps.js'
import { createUser, findSecret, isAppSecret } from './identity.js'
import type { Username } from './identity.js'
import type { RevokedUsers } from './revoked-users.js'
import type { LoginThrottle } from './throttle.js'

/** Who is on the other end, once the hash was right. */
export interface Principal extends User {
  kind: 'sdk'
}

export type LoginVerdict =
  | {
      is: 'accepted'
      principal: Principal
      /** Why this login would be refused by now; null while it would not. */
      whyEnded: () => EndedLogin | null
    }
  | {
      is: 'refused'
      why: 'malformed-username' | 'throttled' | 'wrong-hash' | 'unknown-app' | 'disabled-app' | 'revoked-user'
      hint?: string
      appId?: string
      externalUserId?: string
    }

/** What ends a login that was right when it was made. */
export type EndedLogin =
  'disabled-app' | 'removed-secret' | 'revoked-user' | 'revoked-gateway' | 'replaced-token'

export interface Credentials {
  /** null when the client gave no name that could be one. */
  name: Username | null
  password: Buffer | undefined
  /** Textual IP address of the client. */
  address: string
}

/**
 * Checks the identity that MQTT and HTTP share. The client is told the same for every refusal of a hash; why
 * it was refused is for the log alone.
 */
export function createLogin(options: {
  apps: AppRegistry
  throttle: LoginThrottle
  revokedUsers: Pick<RevokedUsers, 'revokedAt'>
}) {
  const { apps, throttle, revokedUsers } = options
  const whyEnded = (user: User, secret: string): EndedLogin | null => {
    const app = apps.find(user.appId)
    if (!app || app.disabled) return 'disabled-app'
    if (!app.secrets.includes(secret)) return 'removed-secret'
    return revokedUsers.revokedAt(user) === null ? null : 'revoked-user'
  }
  return async ({ name, password, address }: Credentials): Promise<LoginVerdict> => {
    if (await throttle.isBlocked(address, name)) return { is: 'refused', why: 'throttled', ...name }
    if (!name) {
      await throttle.countFailure(address, null)
      return { is: 'refused', why: 'malformed-username' }
    }
    const app = apps.find(name.appId)
    // For those who are refused too: an answer takes the same work, whatever it is.
    const user = createUser(name)
    const isRevoked = revokedUsers.revokedAt(user) !== null
    const hint = hintFor(password)
    const secret = findSecret(app, name.externalUserId, password)
    if (secret !== null && !isRevoked) {
      setImmediate(() => throttle.noteSuccess(address, name))
      return {
        is: 'accepted',
        principal: { kind: 'sdk', ...user },
        whyEnded: () => whyEnded(user, secret),
      }
    }
    // After the answer, whose time then does not tell how it went.
    setImmediate(() => void throttle.countFailure(address, name))
    const why =
      secret !== null ? 'revoked-user' : !app ? 'unknown-app' : app.disabled ? 'disabled-app' : 'wrong-hash'
    return { is: 'refused', why, ...name, ...hint }
  }
}

export type Login = ReturnType<typeof createLogin>

/** What integrators get wrong most often, said without repeating any of the password. */
export function hintFor(password: Buffer | undefined): { hint?: string } {
  const text = password?.toString('latin1') ?? ''
  if (text === '') return { hint: 'no password' }
  if (/^bearer /i.test(text)) return { hint: 'over MQTT the password is the hash alone, without "Bearer "' }
  if (/^[0-9a-f]{64}$/i.test(text) && text !== text.toLowerCase())
    return { hint: 'the hash is written in lower case' }
  if (!/^[0-9a-f]{64}$/.test(text)) return { hint: 'the password is not 64 hexadecimal digits' }
  return {}
}

export type BackendVerdict =
  | {
      is: 'accepted'
      appId: string
      /** Whether the same secret would still be taken. */
      isStillGood: () => boolean
    }
  | { is: 'refused'; why: 'throttled' | 'wrong-secret' }

/** Checks the partner's own server: app id and one of the app's live secrets, in constant time. */
export function createBackendLogin({ apps, throttle }: { apps: AppRegistry; throttle: LoginThrottle }) {
  return async (given: { appId: string; secret: string; address: string }): Promise<BackendVerdict> => {
    const { appId, secret, address } = given
    // A name that no user can have: a user's failures never lock out the backend, nor the other way round.
    const name = { appId, externalUserId: '' }
    if (await throttle.isBlocked(address, name)) return { is: 'refused', why: 'throttled' }
    const app = apps.find(appId)
    if (isAppSecret(app, secret))
      return { is: 'accepted', appId, isStillGood: () => isAppSecret(apps.find(appId), secret) }
    await throttle.countFailure(address, name)
    return { is: 'refused', why: 'wrong-secret' }
  }
}

export type BackendLogin = ReturnType<typeof createBackendLogin>

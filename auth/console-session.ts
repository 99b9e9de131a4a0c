import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { AppRegistry } from './apps.js'
import type { Operator } from './operators.js'

/** Who sits at the live page, once the cookie was right. */
export interface ConsoleAccess {
  /** As it stands in the story of an incident. */
  by: string
  /** Apps that he may see now, by id. */
  appIds: () => string[]
  /** Milliseconds since 1970. */
  until: number
  /** Whether the same cookie would still be taken. */
  isStillGood: () => boolean
}

/** What a cookie says. */
interface Claims {
  is: 'app' | 'operator'
  /** App id, or the operator's name. */
  name: string
  /** What whoever logged in with an app secret calls himself. */
  who?: string
  loginAt: number
  until: number
}

/**
 * Sessions of the live page. Nothing is kept: the cookie itself says who it is for and until when, signed with a key
 * made from the secret that was used to log in. So every node that knows the secret takes it, none has to ask
 * another, and to take the secret away ends every session that came in by it.
 */
export function createConsoleSessions(options: {
  apps: AppRegistry
  operators: readonly Operator[]
  now: () => number
}) {
  const { apps, operators, now } = options

  function secretsOf({ is, name }: Claims): string[] {
    if (is === 'operator')
      return operators.filter((operator) => operator.name === name).map(({ token }) => token)
    const app = apps.find(name)
    return app && !app.disabled ? app.secrets : []
  }

  /** What a cookie says and the secret that it is signed by; null when it is forged, over, or its secret is gone. */
  function verify(cookie: string): { claims: Claims; secret: string } | null {
    const [payload = '', mac = ''] = cookie.split('.', 2)
    const claims = parse(payload)
    if (!claims || claims.until <= now()) return null
    const given = Buffer.from(mac, 'base64url')
    const secret = secretsOf(claims).find((one) => {
      const expected = sign(one, payload)
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
    return secret === undefined ? null : { claims, secret }
  }

  function appIdsOf({ is, name }: Claims): string[] {
    const named = is === 'app' ? [name] : (operators.find((operator) => operator.name === name)?.apps ?? [])
    const mine = named.length === 1 && named[0] === '*' ? apps.appIds() : named
    return mine.filter((appId) => apps.find(appId)?.disabled === false)
  }

  function issue(claims: Claims, secret: string): string {
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url')
    return `${payload}.${sign(secret, payload).toString('base64url')}`
  }

  return {
    /** A cookie for whoever has shown `secret`. */
    open(given: Pick<Claims, 'is' | 'name' | 'who'>, secret: string): string {
      return issue({ ...given, loginAt: now(), until: now() + SESSION_MS }, secret)
    },
    /** Null when the cookie is forged, over, or made with a secret that is gone. */
    read(cookie: string): ConsoleAccess | null {
      const { claims } = verify(cookie) ?? {}
      if (!claims) return null
      return {
        by: nameOf(claims),
        appIds: () => appIdsOf(claims),
        until: claims.until,
        isStillGood: () => verify(cookie) !== null,
      }
    },
    /** The same session for longer; null when it cannot be. A page that stays open on a wall asks for it. */
    renew(cookie: string): string | null {
      const verified = verify(cookie)
      if (!verified) return null
      const { claims, secret } = verified
      const until = Math.min(now() + SESSION_MS, claims.loginAt + LOGIN_MS)
      return issue({ ...claims, until }, secret)
    },
  }
}

export type ConsoleSessions = ReturnType<typeof createConsoleSessions>

/** A name that was only claimed stands in brackets. */
function nameOf({ is, name, who }: Claims): string {
  if (is === 'operator') return `operator ${name}`
  return who ? `console (${who})` : 'console'
}

function parse(payload: string): Claims | null {
  try {
    const { is, name, who, loginAt, until } = JSON.parse(
      Buffer.from(payload, 'base64url').toString(),
    ) as Partial<Claims>
    if ((is !== 'app' && is !== 'operator') || typeof name !== 'string') return null
    if (typeof loginAt !== 'number' || typeof until !== 'number') return null
    return { is, name, loginAt, until, ...(typeof who === 'string' ? { who } : {}) }
  } catch {
    return null
  }
}

/**
 * Not an HMAC under the secret itself: that is what a user's hash is, and an app's backend signs any external user id.
 * The key of HKDF's first HMAC is the salt, so no user's hash is ever a session's key.
 */
function sign(secret: string, payload: string): Buffer {
  const key = hkdfSync('sha256', secret, 'connect-broker', 'session of the live page', 32)
  return createHmac('sha256', Buffer.from(key)).update(payload).digest()
}

/** A shift; an open page renews it every hour. */
export const SESSION_MS = 12 * 3_600_000
/** After a week somebody has to log in again, so that a stolen cookie does not last for ever. */
const LOGIN_MS = 7 * 24 * 3_600_000

import type { AppRegistry } from './apps.js'
import { readGatewayUsername } from './gateway-names.js'
import type { GatewayName } from './gateway-names.js'
import { findGatewayToken } from './gateway-token.js'
import type { Gateways } from './gateways.js'
import type { EndedLogin } from './login.js'
import type { LoginThrottle } from './throttle.js'

/** A mesh gateway on the other end: it speaks for whatever it heard by radio, and for nobody in particular. */
export interface GatewayPrincipal extends GatewayName {
  kind: 'gateway'
}

export type GatewayVerdict =
  | {
      is: 'accepted'
      principal: GatewayPrincipal
      /** Why this login would be refused by now; null while it would not. */
      whyEnded: () => EndedLogin | null
    }
  | {
      is: 'refused'
      why:
        | 'malformed-username'
        | 'throttled'
        | 'wrong-token'
        | 'unknown-gateway'
        | 'unknown-app'
        | 'disabled-app'
        /** This node has not been able to read who is a gateway: the client is to come again. */
        | 'gateways-unread'
      hint?: string
      appId?: string
      gatewayId?: string
    }

/**
 * Checks a gateway's token. As with users, the client is told the same for every refusal, the work is the same
 * whatever the answer, and failures count after it, for this gateway at this address: one node with a mistyped token
 * locks out no other of its site.
 */
export function createGatewayLogin(options: {
  apps: Pick<AppRegistry, 'find'>
  throttle: LoginThrottle
  gateways: Pick<Gateways, 'find' | 'isRead'>
}) {
  const { apps, throttle, gateways } = options
  const whyEnded = (name: GatewayName, hash: string): EndedLogin | null => {
    const app = apps.find(name.appId)
    if (!app || app.disabled) return 'disabled-app'
    const gateway = gateways.find(name)
    if (!gateway) return 'revoked-gateway'
    return gateway.tokens.some((token) => token.hash === hash) ? null : 'replaced-token'
  }
  return async (given: {
    username: string
    password: Buffer | undefined
    address: string
  }): Promise<GatewayVerdict> => {
    const { username, password, address } = given
    const name = readGatewayUsername(username)
    // No user's name: those of an app without a colon in front.
    const counted = name && { appId: `:gw:${name.appId}`, externalUserId: name.gatewayId }
    if (await throttle.isBlocked(address, counted)) return { is: 'refused', why: 'throttled', ...name }
    if (!name) {
      await throttle.countFailure(address, null)
      return { is: 'refused', why: 'malformed-username' }
    }
    const app = apps.find(name.appId)
    const gateway = gateways.find(name)
    const hash = findGatewayToken(gateway?.tokens, password)
    const isOpen = app !== undefined && !app.disabled
    if (isOpen && hash !== null) {
      setImmediate(() => throttle.noteSuccess(address, counted as NonNullable<typeof counted>))
      return {
        is: 'accepted',
        principal: { kind: 'gateway', ...name },
        whyEnded: () => whyEnded(name, hash),
      }
    }
    if (isOpen && !gateways.isRead(name.appId)) return { is: 'refused', why: 'gateways-unread', ...name }
    setImmediate(() => void throttle.countFailure(address, counted))
    const why = !app
      ? 'unknown-app'
      : app.disabled
        ? 'disabled-app'
        : gateway
          ? 'wrong-token'
          : 'unknown-gateway'
    return { is: 'refused', why, ...name, ...hintFor(password) }
  }
}

export type GatewayLogin = ReturnType<typeof createGatewayLogin>

/** What people get wrong most often, said without repeating any of the password. */
function hintFor(password: Buffer | undefined): { hint?: string } {
  const text = password?.toString('latin1') ?? ''
  if (text === '') return { hint: 'no password: a node loses one that is too long for it' }
  if (/^[0-9a-f]{63,64}$/i.test(text)) return { hint: "a gateway has a token of its own, no user's hash" }
  if (text.trim() !== text) return { hint: 'a space before or behind the token' }
  return {}
}

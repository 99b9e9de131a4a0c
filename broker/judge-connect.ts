import type { GatewayLogin, GatewayPrincipal } from '../auth/gateway-login.js'
import { isGatewayUsername } from '../auth/gateway-names.js'
import { readUsername } from '../auth/identity.js'
import type { EndedLogin, Login, Principal } from '../auth/login.js'
import type { Gate } from './gate/gate.js'
import type { Reason } from './gate/mqtt5.js'
import type { ConnectPacket } from './gate/packets.js'
import { REASON, RETURN_CODE } from './gate/reason.js'

interface Credentials {
  username: string | undefined
  password: Buffer | undefined
}

export type ConnectVerdict =
  | {
      is: 'accepted'
      principal: Principal | GatewayPrincipal
      whyEnded: () => EndedLogin | null
      about: About
    }
  | {
      is: 'refused'
      why: string
      reason: Reason
      /** For 3.1 and 3.1.1. */
      returnCode: number
      hint: string | undefined
      about: About
    }

/** Who it was about, for the log. */
interface About {
  appId?: string | undefined
  userId?: string
  gatewayId?: string | undefined
}

/** Identity first, then what this kind of principal may ask for in its CONNECT. */
export async function judgeConnect(
  gate: Gate,
  credentials: Credentials,
  logins: { user: Login; gateway: GatewayLogin },
): Promise<ConnectVerdict> {
  const connect = gate.connect as ConnectPacket
  if (connect.authenticationMethod !== undefined) {
    return refuse('enhanced-authentication', REASON.badAuthenticationMethod, {})
  }
  const verdict = await logIn(credentials, gate.origin.address, logins)
  if (verdict.is === 'refused') {
    const { why, hint, appId } = verdict
    const gatewayId = 'gatewayId' in verdict ? verdict.gatewayId : undefined
    return refuse(why, REFUSALS[why], { appId, gatewayId }, hint)
  }
  const { principal, whyEnded } = verdict
  const about = aboutOf(principal)
  // A gateway's will is never passed on to the engine: apps that stand in for a node always send one.
  if (connect.will && principal.kind === 'sdk')
    return refuse('will', REASON.notAuthorized, about, 'an SDK user may not leave a will')
  if (!connect.cleanSession && connect.version !== 5) {
    return refuse('clean-session-0', REASON.notAuthorized, about, connect.isBridge ? BRIDGE_HINT : CLEAN_HINT)
  }
  return { is: 'accepted', principal, whyEnded, about }
}

function logIn(
  { username, password }: Credentials,
  address: string,
  logins: { user: Login; gateway: GatewayLogin },
) {
  if (username !== undefined && isGatewayUsername(username))
    return logins.gateway({ username, password, address })
  return logins.user({ name: readUsername(username), password, address })
}

function aboutOf(principal: Principal | GatewayPrincipal): About {
  const { appId } = principal
  return principal.kind === 'gateway'
    ? { appId, gatewayId: principal.gatewayId }
    : { appId, userId: principal.userId }
}

const CLEAN_HINT = 'sessions end with their connection: connect with clean session 1'
const BRIDGE_HINT = `${CLEAN_HINT}; in the configuration of a Mosquitto bridge: cleansession true`

const REFUSALS = {
  'malformed-username': REASON.badUserNameOrPassword,
  throttled: REASON.connectionRateExceeded,
  'wrong-hash': REASON.notAuthorized,
  'wrong-token': REASON.notAuthorized,
  'unknown-app': REASON.notAuthorized,
  'unknown-gateway': REASON.notAuthorized,
  'disabled-app': REASON.notAuthorized,
  'revoked-user': REASON.notAuthorized,
  'gateways-unread': REASON.serverUnavailable,
}

/** 3.1.1 hears return code 5 for everything but for what is no fault of the client. */
function refuse(why: string, code: number, about: About, hint?: string): ConnectVerdict {
  const returnCode =
    code === REASON.serverUnavailable ? RETURN_CODE.serverUnavailable : RETURN_CODE.notAuthorized
  return { is: 'refused', why, reason: { code }, returnCode, hint, about }
}

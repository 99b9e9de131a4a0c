import type { EndedLogin, Login, Principal } from '../auth/login.js'
import { readUsername } from '../auth/identity.js'
import type { Gate } from './gate/gate.js'
import type { Reason } from './gate/mqtt5.js'
import type { ConnectPacket } from './gate/packets.js'
import { REASON } from './gate/reason.js'

interface Credentials {
  username: string | undefined
  password: Buffer | undefined
}

export type ConnectVerdict =
  | { is: 'accepted'; principal: Principal; whyEnded: () => EndedLogin | null; about: About }
  | { is: 'refused'; why: string; reason: Reason; hint: string | undefined; about: About }

/** Who it was about, for the log. */
interface About {
  appId?: string | undefined
  userId?: string
}

/** Identity first, then what this kind of principal may ask for in its CONNECT. 3.1.1 hears return code 5 for all. */
export async function judgeConnect(
  gate: Gate,
  credentials: Credentials,
  login: Login,
): Promise<ConnectVerdict> {
  const connect = gate.connect as ConnectPacket
  if (connect.authenticationMethod !== undefined) {
    return refuse('enhanced-authentication', REASON.badAuthenticationMethod, {})
  }
  const verdict = await login({
    name: readUsername(credentials.username),
    password: credentials.password,
    address: gate.origin.address,
  })
  if (verdict.is === 'refused') {
    const { why, hint, appId } = verdict
    return refuse(why, REFUSALS[why], { appId }, hint)
  }
  const { principal, whyEnded } = verdict
  const about = { appId: principal.appId, userId: principal.userId }
  if (connect.will) return refuse('will', REASON.notAuthorized, about, 'an SDK user may not leave a will')
  if (!connect.cleanSession && connect.version !== 5) {
    return refuse(
      'clean-session-0',
      REASON.notAuthorized,
      about,
      'sessions end with their connection: connect with clean session 1',
    )
  }
  return { is: 'accepted', principal, whyEnded, about }
}

const REFUSALS = {
  'malformed-username': REASON.badUserNameOrPassword,
  throttled: REASON.connectionRateExceeded,
  'wrong-hash': REASON.notAuthorized,
  'unknown-app': REASON.notAuthorized,
  'disabled-app': REASON.notAuthorized,
  'revoked-user': REASON.notAuthorized,
}

function refuse(why: string, code: number, about: About, hint?: string): ConnectVerdict {
  return { is: 'refused', why, reason: { code }, hint, about }
}

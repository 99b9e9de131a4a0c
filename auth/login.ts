import type { User } from '../store/user.js'
import type { AppRegistry } from './apps.js'
import { createUser, isUserHash, readUsername } from './identity.js'
import type { LoginThrottle } from './throttle.js'

/** Who is on the other end, once the hash was right. */
export interface Principal extends User {
  kind: 'sdk'
}

export type LoginVerdict =
  | { is: 'accepted'; principal: Principal }
  | {
      is: 'refused'
      why: 'malformed-username' | 'throttled' | 'wrong-hash' | 'unknown-app' | 'disabled-app'
      hint?: string
      appId?: string
      externalUserId?: string
    }

export interface Credentials {
  username: string | undefined
  password: Buffer | undefined
  /** Textual IP address of the client. */
  address: string
}

/**
 * Checks the identity that MQTT and HTTP share. The client is told the same for every refusal of a hash; why
 * it was refused is for the log alone.
 */
export function createLogin({ apps, throttle }: { apps: AppRegistry; throttle: LoginThrottle }) {
  return async ({ username, password, address }: Credentials): Promise<LoginVerdict> => {
    const name = readUsername(username)
    if (await throttle.isBlocked(address, name)) return { is: 'refused', why: 'throttled', ...name }
    if (!name) {
      await throttle.countFailure(address, null)
      return { is: 'refused', why: 'malformed-username' }
    }
    const app = apps.find(name.appId)
    if (isUserHash(app, name.externalUserId, password)) {
      return { is: 'accepted', principal: { kind: 'sdk', ...createUser(name) } }
    }
    await throttle.countFailure(address, name)
    const why = !app ? 'unknown-app' : app.disabled ? 'disabled-app' : 'wrong-hash'
    return { is: 'refused', why, ...name, ...hintFor(password) }
  }
}

export type Login = ReturnType<typeof createLogin>

/** What integrators get wrong most often, said without repeating any of the password. */
function hintFor(password: Buffer | undefined): { hint?: string } {
  const text = password?.toString('latin1') ?? ''
  if (text === '') return { hint: 'no password' }
  if (/^bearer /i.test(text)) return { hint: 'over MQTT the password is the hash alone, without "Bearer "' }
  if (/^[0-9a-f]{64}$/i.test(text) && text !== text.toLowerCase())
    return { hint: 'the hash is written in lower case' }
  if (!/^[0-9a-f]{64}$/.test(text)) return { hint: 'the password is not 64 hexadecimal digits' }
  return {}
}

import type { AppRegistry } from './apps.js'
import type { ConsoleSessions } from './console-session.js'
import { findAppSecret, isSameSecret } from './identity.js'
import type { Operator } from './operators.js'
import type { LoginThrottle } from './throttle.js'

export type ConsoleVerdict =
  { is: 'accepted'; cookie: string } | { is: 'refused'; why: 'throttled' | 'wrong-secret' }

export type ConsoleCredentials = { appId: string; secret: string; who?: string } | { token: string }

/** Checks whoever comes to the live page: app id and app secret, or an operator's token. */
export function createConsoleLogin(options: {
  apps: AppRegistry
  operators: readonly Operator[]
  throttle: LoginThrottle
  sessions: ConsoleSessions
}) {
  const { apps, operators, throttle, sessions } = options
  return async (given: ConsoleCredentials & { address: string }): Promise<ConsoleVerdict> => {
    const { address } = given
    // A name that neither a user nor a backend can have: who fails here locks out neither.
    const name = { appId: `:console:${'appId' in given ? given.appId : ''}`, externalUserId: '' }
    if (await throttle.isBlocked(address, name)) return { is: 'refused', why: 'throttled' }
    const cookie = open(given)
    if (cookie === null) {
      await throttle.countFailure(address, name)
      return { is: 'refused', why: 'wrong-secret' }
    }
    return { is: 'accepted', cookie }
  }

  function open(given: ConsoleCredentials): string | null {
    if ('appId' in given) {
      const { appId, secret, who } = given
      const known = findAppSecret(apps.find(appId), secret)
      return known === null ? null : sessions.open({ is: 'app', name: appId, ...(who ? { who } : {}) }, known)
    }
    // Every token is compared, so that the time does not tell which one was nearly right.
    const [operator] = operators.filter(({ token }) => isSameSecret(token, given.token))
    return operator ? sessions.open({ is: 'operator', name: operator.name }, operator.token) : null
  }
}

export type ConsoleLogin = ReturnType<typeof createConsoleLogin>

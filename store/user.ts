/** A person inside one app. Everything kept is keyed by (appId, userId); an external id alone names nobody. */
export interface User {
  appId: string
  /** The SDK user's UUID, derived from app id and external user id. */
  userId: string
  externalUserId: string
}

/** Names a person among all apps. A user id is a UUID, so the last colon divides whatever the app id holds. */
export function userKey({ appId, userId }: Pick<User, 'appId' | 'userId'>): string {
  return `${appId}:${userId}`
}

/** The two forms in which a client may name its own user. */
export type IdForm = 'uuid' | 'external'

/**
 * In which form `text` names the user, or null when it names somebody else. An external id counts as it is
 * and percent-encoded: languages encode differently, so ids are compared decoded (contract: identity).
 */
export function idFormOf(user: User, text: string): IdForm | null {
  if (text === user.userId) return 'uuid'
  if (text === user.externalUserId || decode(text) === user.externalUserId) return 'external'
  return null
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null // a stray % that encodes nothing
  }
}

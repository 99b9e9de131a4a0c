import type { User } from './user.js'

/** The users that an app's backend has shut out, until it lets them in again. */
export interface RevocationStore {
  /** Resolves with when the user was revoked, ISO 8601: the first time counts. */
  revoke(user: User, at: string): Promise<string>
  unrevoke(user: User): Promise<void>
  /** The app's revoked users; null when the store still holds what was read with `version`. */
  read(appId: string, version: string | null): Promise<RevokedSet | null>
}

export interface RevokedSet {
  /** Names this state of the set and no other, also on a Redis that has lost its newest writes. */
  version: string
  /** User id → when, ISO 8601. */
  revokedAt: ReadonlyMap<string, string>
}

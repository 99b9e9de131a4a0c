import type { Log } from '../ops/log.js'
import type { RevocationStore } from '../store/revocations.js'
import type { User } from '../store/user.js'
import { createFollowedSets } from './followed-sets.js'

/** Who may not log in although his hash is right, as this node knows it. */
export interface RevokedUsers {
  /** ISO 8601; null for everybody else. Asks no store: a login waits for none. */
  revokedAt(user: Pick<User, 'appId' | 'userId'>): string | null
  /** Resolves with since when, once it is stored and holds on this node. @throws when the store does not take it. */
  revoke(user: User): Promise<string>
  /** @throws when the store does not take it. */
  unrevoke(user: User): Promise<void>
  /** Calls back after every change, whichever node made it. */
  onChange(changed: () => void): void
  /** Reads every app's set and goes on looking. A store that is away is no reason to wait: the last known set holds. */
  start(): Promise<void>
  stop(): void
}

export function createRevokedUsers(options: {
  store: RevocationStore
  appIds: () => string[]
  clock: { now(): Date }
  log: Log
}): RevokedUsers {
  const { store, appIds, clock, log } = options
  const sets = createFollowedSets({ read: store.read, appIds, what: 'revoked users', log })
  return {
    revokedAt: ({ appId, userId }) => sets.of(appId)?.revokedAt.get(userId) ?? null,
    async revoke(user) {
      const since = await store.revoke(user, clock.now().toISOString())
      await sets.refresh(user.appId)
      return since
    },
    async unrevoke(user) {
      await store.unrevoke(user)
      await sets.refresh(user.appId)
    },
    onChange: sets.onChange,
    start: sets.start,
    stop: sets.stop,
  }
}

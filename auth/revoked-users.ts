import type { Log } from '../ops/log.js'
import { createKeyedQueue } from '../store/keyed-queue.js'
import type { RevocationStore, RevokedSet } from '../store/revocations.js'
import type { User } from '../store/user.js'

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
  const sets = new Map<string, RevokedSet>()
  const listeners: (() => void)[] = []
  // One read of an app at a time: an older answer never replaces a newer one.
  const inOrder = createKeyedQueue()
  const looking = new Set<string>()
  const away = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  const refresh = (appId: string) =>
    inOrder(appId, async () => {
      const read = await store.read(appId, sets.get(appId)?.version ?? null)
      if (!read) return
      sets.set(appId, read)
      for (const changed of listeners) changed()
    })

  async function look(appId: string): Promise<void> {
    if (looking.has(appId)) return
    looking.add(appId)
    try {
      await refresh(appId)
      if (away.delete(appId)) log.info({ appId }, 'revoked users are read again')
    } catch (error) {
      if (!away.has(appId))
        log.warn(
          { appId, reason: (error as Error).message },
          'revoked users cannot be read; the last known stay',
        )
      away.add(appId)
    } finally {
      looking.delete(appId)
    }
  }

  const lookAtAll = () => Promise.all(appIds().map(look))
  return {
    revokedAt: ({ appId, userId }) => sets.get(appId)?.revokedAt.get(userId) ?? null,
    async revoke(user) {
      const since = await store.revoke(user, clock.now().toISOString())
      await refresh(user.appId)
      return since
    },
    async unrevoke(user) {
      await store.unrevoke(user)
      await refresh(user.appId)
    },
    onChange: (changed) => void listeners.push(changed),
    async start() {
      await lookAtAll()
      timer = setInterval(() => void lookAtAll(), LOOK_MS)
    },
    stop: () => clearInterval(timer),
  }
}

/** Twice within the second in which every node is to know; a small read for each app. */
const LOOK_MS = 250

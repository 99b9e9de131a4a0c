import type { Log } from '../ops/log.js'
import { createKeyedQueue } from '../store/keyed-queue.js'

/** What the store keeps of each app, as this node knows it; a login asks here and waits for no store. */
export interface FollowedSets<Kept> {
  /** Undefined until the app's set was read for the first time. */
  of(appId: string): Kept | undefined
  /** Reads what has changed. @throws when the store cannot be read. */
  refresh(appId: string): Promise<void>
  /** Calls back after every change, whichever node made it. */
  onChange(changed: () => void): void
  /** Reads every app's set and goes on looking. A store that is away is no reason to wait: the last known set holds. */
  start(): Promise<void>
  stop(): void
}

/** Where a set may stand until the store is read for the first time; it is never older than what this node knew. */
export interface LastKnown<Kept> {
  load(appId: string): Kept | null
  save(appId: string, kept: Kept): void
}

export function createFollowedSets<Kept extends { version: string }>(options: {
  /** Null when nothing has changed since `version`. */
  read: (appId: string, version: string | null) => Promise<Kept | null>
  appIds: () => string[]
  /** In the log: `revoked users`. */
  what: string
  lastKnown?: LastKnown<Kept> | undefined
  log: Log
}): FollowedSets<Kept> {
  const { read, appIds, what, lastKnown, log } = options
  const sets = new Map<string, Kept>()
  const listeners: (() => void)[] = []
  // One read of an app at a time: an older answer never replaces a newer one.
  const inOrder = createKeyedQueue()
  const looking = new Set<string>()
  const away = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  const refresh = (appId: string) =>
    inOrder(appId, async () => {
      const newest = await read(appId, sets.get(appId)?.version ?? null)
      if (!newest) return
      sets.set(appId, newest)
      lastKnown?.save(appId, newest)
      for (const changed of listeners) changed()
    })

  async function look(appId: string): Promise<void> {
    if (looking.has(appId)) return
    looking.add(appId)
    try {
      await refresh(appId)
      if (away.delete(appId)) log.info({ appId }, `${what} are read again`)
    } catch (error) {
      const reason = (error as Error).message
      const last = sets.has(appId) ? null : lastKnown?.load(appId)
      if (last) sets.set(appId, last)
      if (!away.has(appId)) log.warn({ appId, reason }, `${what} cannot be read; the last known stay`)
      away.add(appId)
    } finally {
      looking.delete(appId)
    }
  }

  const lookAtAll = () => Promise.all(appIds().map(look))
  return {
    of: (appId) => sets.get(appId),
    refresh,
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

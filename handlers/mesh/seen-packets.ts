export interface SeenPackets {
  /**
   * Remembers a key of an app at `now` (ms since 1970) and says when it was seen first: at `now` when it is new.
   * Seeing a key again does not make it younger.
   */
  see(appId: string, key: string, now: number): number
  /** Whether it would not be new. */
  knows(appId: string, key: string, now: number): boolean
  /** What could not be dealt with counts as never seen, so that the next copy does. */
  forget(appId: string, key: string): void
  readonly size: number
}

/** Keys of an app in two generations; the old one goes as a whole, which costs nothing per key. */
interface AppKeys {
  young: Map<string, number>
  old: Map<string, number>
  turnedAt: number
}

/**
 * Which packets were seen, so that the copies that other gateways bring are known. Bounded by age and number. An
 * app that fills it, whose gateway makes packets up, loses its own first: it may hold its share of `packetsMax`.
 */
export function createSeenPackets({ keepMs = KEEP_MS, packetsMax = PACKETS_MAX } = {}): SeenPackets {
  const apps = new Map<string, AppKeys>()
  let size = 0

  function turn(app: AppKeys, now: number): void {
    size -= app.old.size
    app.old = app.young
    app.young = new Map()
    app.turnedAt = now
  }

  function appOf(appId: string, now: number): AppKeys {
    const known = apps.get(appId)
    const app = known ?? { young: new Map(), old: new Map(), turnedAt: now }
    if (!known) apps.set(appId, app)
    const isAged = now - app.turnedAt >= keepMs
    if (isAged || app.young.size * 2 * apps.size >= packetsMax) turn(app, now)
    return app
  }

  /** Shares shrink when an app comes: then somebody holds more than his. */
  function makeRoom(now: number): void {
    while (size >= packetsMax) {
      const [fullest] = [...apps.values()].toSorted((one, other) => sizeOf(other) - sizeOf(one))
      if (!fullest) return
      turn(fullest, now)
    }
  }

  return {
    see(appId, key, now) {
      const app = appOf(appId, now)
      const seenAt = app.young.get(key) ?? app.old.get(key)
      if (seenAt !== undefined && now - seenAt < keepMs) return seenAt
      if (size >= packetsMax) makeRoom(now)
      if (app.old.delete(key)) size--
      if (!app.young.has(key)) size++
      app.young.set(key, now)
      return now
    },
    knows(appId, key, now) {
      const app = apps.get(appId)
      const seenAt = app?.young.get(key) ?? app?.old.get(key)
      return seenAt !== undefined && now - seenAt < keepMs
    },
    forget(appId, key) {
      const app = apps.get(appId)
      if (!app) return
      if (app.young.delete(key)) size--
      if (app.old.delete(key)) size--
    },
    get size() {
      return size
    },
  }
}

function sizeOf({ young, old }: AppKeys): number {
  return young.size + old.size
}

/** A node's packet ids do not come again within a day; floods of old packets come within minutes. */
const KEEP_MS = 24 * 3_600_000
/** 20 MB when full. 50 nodes that send once a minute are 72,000 a day. */
const PACKETS_MAX = 200_000

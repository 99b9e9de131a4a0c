import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { createUser } from '../../auth/identity.js'
import { close, report, reportKeysOf } from '../../handlers/incident-rules.js'
import type { CloseOutcome, ReportOutcome } from '../../handlers/incident-rules.js'
import { createLog } from '../../ops/log.js'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'
import { openRedisStore } from '../../store/redis/redis-store.js'
import type { LifecycleEvent, Retention, SosReport, Store } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { temporaryDirectory } from './broker.js'
import { startRedis } from './redis.js'
import type { RedisServer } from './redis.js'

export const STORE_KINDS = ['embedded', 'redis'] as const
export type StoreKind = (typeof STORE_KINDS)[number]

/** One place to keep things, which a store can be opened on, closed and opened again. */
export interface StorePlace {
  /** Opens a store here; it is stopped when the test ends, unless the test stopped it. */
  open(retention?: Partial<Retention>): Promise<Store>
  /** The Redis underneath, if there is one. */
  redis: RedisServer | null
}

export const RETENTION: Retention = {
  telemetryPerApp: 10_000,
  eventsPerApp: 10_000,
  reportKeysPerUser: 500,
  days: 1,
}

export async function createStorePlace(t: Test, kind: StoreKind): Promise<StorePlace> {
  if (kind === 'redis') {
    const redis = await startRedis(t)
    return { redis, open: (retention) => openRedisAt(t, redis.url, retention) }
  }
  const directory = temporaryDirectory(t)
  return { redis: null, open: (retention) => openEmbeddedAt(t, directory, retention) }
}

export async function openEmbeddedAt(
  t: Test,
  directory: string,
  retention?: Partial<Retention>,
): Promise<Store> {
  return stoppedAtEnd(t, openEmbeddedStore({ directory, retention: { ...RETENTION, ...retention } }))
}

export async function openRedisAt(t: Test, url: string, retention?: Partial<Retention>): Promise<Store> {
  const { log } = createLog({ level: 'silent', isTerminal: false })
  return stoppedAtEnd(t, await openRedisStore({ url, retention: { ...RETENTION, ...retention }, log }))
}

function stoppedAtEnd(t: Test, store: Store): Store {
  let stopped: Promise<void> | null = null
  const stop = () => (stopped ??= store.stop())
  t.teardown(stop)
  return { ...store, stop }
}

export function user(externalUserId: string, appId = 'demo-app'): User {
  return createUser({ appId, externalUserId })
}

/** A report as the SOS handler reads it: `n` milliseconds after a fixed time. */
export function reportNumber(n: number, more: Partial<SosReport> = {}): SosReport {
  const ms = Date.parse('2026-05-01T10:00:00.000Z') + n
  return { timestamp: new Date(ms).toISOString(), reportKey: `${ms}000`, ...more }
}

/** Counts a report in by the rules of the SOS handler. */
export function countIn(store: Store, who: User, what: SosReport): Promise<ReportOutcome> {
  const [now, way] = [stamp(), { mayReopen: false }]
  return store.incidents.change(who, reportKeysOf(what, now, way), report(who, what, now, way))
}

export function closeAs(store: Store, who: User, status: 'cancelled' | 'resolved'): Promise<CloseOutcome> {
  return store.incidents.change(who, [], close(status, stamp()))
}

function stamp() {
  return { now: new Date(), incidentId: randomUUID(), eventId: randomUUID() }
}

/** Follows the log of these apps from now on. `until` resolves with all events once one of them fits. */
export async function followEvents(store: Store, appIds: string[]) {
  const seen: LifecycleEvent[] = []
  let check: () => void = () => {}
  await store.events.follow(
    () => appIds,
    (event) => {
      seen.push(event)
      check()
    },
  )
  return {
    seen,
    until: (fits: (event: LifecycleEvent) => boolean) =>
      new Promise<LifecycleEvent[]>((resolve) => {
        check = () => seen.some(fits) && resolve(seen)
        check()
      }),
  }
}

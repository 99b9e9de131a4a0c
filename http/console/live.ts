import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Webhooks } from '../../hooks/webhooks.js'
import type { Health } from '../../ops/admin.js'
import type { TelemetryRecord, TelemetryStore } from '../../store/store.js'
import { createWatched } from './watched.js'
import type { Watched } from './watched.js'
import { personRowOf } from './traffic-routes.js'
import { hookRowOf } from './webhook-routes.js'
import type { HealthNow, HooksNow, PersonRow } from './wire.js'

/** What open pages are told beside lifecycle events. Nothing of it is read while no page is open. */
export interface Live {
  health: Watched<HealthNow>
  positionsOf(appId: string): Watched<PersonRow[]>
  /** Whenever something about one of the app's web hooks has changed. */
  hooksOf(appId: string): Watched<HooksNow>
  stop(): void
}

export function createLive(options: {
  health: () => Promise<Health>
  telemetry: Pick<TelemetryStore, 'readLatest'>
  webhooks: Pick<Webhooks, 'status'>
}): Live {
  const positions = perApp((appId) => watchPositions(appId, options.telemetry))
  const hooks = perApp((appId) => watchHooks(appId, options.webhooks))
  const lag = monitorEventLoopDelay({ resolution: 20 })
  const health = createWatched<HealthNow>({
    intervalMs: HEALTH_MS,
    begin: () => void lag.enable(),
    end: () => void lag.disable(),
    async read() {
      const before = performance.now()
      const { status, reasons } = await options.health()
      const now = { status, reasons, ...timesSince(before), at: new Date().toISOString() }
      lag.reset()
      return now
    },
    onTrouble: () => null,
  })
  const timesSince = (before: number) => ({
    storeMs: Math.round(performance.now() - before),
    lagMs: Math.max(0, Math.round(lag.max / 1e6) - 20),
  })
  return {
    health,
    positionsOf: positions.of,
    hooksOf: hooks.of,
    stop() {
      lag.disable()
      health.stop()
      positions.stop()
      hooks.stop()
    },
  }
}

function perApp<Value>(make: (appId: string) => Watched<Value>) {
  const all = new Map<string, Watched<Value>>()
  return {
    of(appId: string): Watched<Value> {
      const watched = all.get(appId) ?? make(appId)
      all.set(appId, watched)
      return watched
    },
    stop() {
      for (const watched of all.values()) watched.stop()
    },
  }
}

/** From the store, because another node may serve them. */
function watchHooks(appId: string, webhooks: Pick<Webhooks, 'status'>): Watched<HooksNow> {
  let told = ''
  return createWatched<HooksNow>({
    intervalMs: HOOKS_MS,
    begin: () => void (told = ''),
    async read() {
      const now: HooksNow = { appId, hooks: (await webhooks.status(appId)).map(hookRowOf) }
      const text = JSON.stringify(now)
      if (text === told) return null
      told = text
      return now
    },
    onTrouble: () => null,
  })
}

/**
 * Telemetry is in no event log, so it is looked at: from the store, because another node may have taken it. Of more
 * than RECORDS_READ a second the newest are told.
 */
function watchPositions(appId: string, telemetry: Pick<TelemetryStore, 'readLatest'>): Watched<PersonRow[]> {
  let newest: string | null = null
  return createWatched<PersonRow[]>({
    intervalMs: POSITIONS_MS,
    begin: () => void (newest = null),
    async read() {
      const latest = await telemetry.readLatest(appId, newest === null ? 1 : RECORDS_READ)
      const known = latest.findIndex((record) => nameOf(record) === newest)
      const isFirst = newest === null
      newest = latest[0] ? nameOf(latest[0]) : ''
      const fresh = known < 0 ? latest : latest.slice(0, known)
      if (isFirst || fresh.length === 0) return null
      return fresh
        .toReversed()
        .filter(({ isHistory }) => !isHistory)
        .map((record) => personRowOf(record, 0))
    },
    onTrouble: () => null,
  })
}

const nameOf = ({ userId, receivedAt, occurredAt }: TelemetryRecord) =>
  `${userId} ${receivedAt} ${occurredAt}`

const HEALTH_MS = 3_000
const POSITIONS_MS = 1_000
const HOOKS_MS = 2_000
const RECORDS_READ = 300

import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Health } from '../../ops/admin.js'
import type { TelemetryRecord, TelemetryStore } from '../../store/store.js'
import { createWatched } from './watched.js'
import type { Watched } from './watched.js'
import { personRowOf } from './traffic-routes.js'
import type { HealthNow, PersonRow } from './wire.js'

/** What open pages are told beside lifecycle events. Nothing of it is read while no page is open. */
export interface Live {
  health: Watched<HealthNow>
  positionsOf(appId: string): Watched<PersonRow[]>
  stop(): void
}

export function createLive(options: {
  health: () => Promise<Health>
  telemetry: Pick<TelemetryStore, 'readLatest'>
}): Live {
  const positions = new Map<string, Watched<PersonRow[]>>()
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
    positionsOf(appId) {
      const known = positions.get(appId)
      if (known) return known
      const made = watchPositions(appId, options.telemetry)
      positions.set(appId, made)
      return made
    },
    stop() {
      lag.disable()
      health.stop()
      for (const watched of positions.values()) watched.stop()
    },
  }
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
const RECORDS_READ = 300

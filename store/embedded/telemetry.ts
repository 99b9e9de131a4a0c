import type { TelemetryRecord, TelemetryStore } from '../store.js'
import { createTurnBatches } from '../turn-batches.js'
import { durable } from './durable.js'
import type { EmbeddedIncidents } from './incidents.js'
import type { LastPositions } from './last-positions.js'
import type { TelemetryLog } from './telemetry-log.js'

/** Telemetry in LMDB. What one turn of the event loop brings for an app is written as one block. */
export function createEmbeddedTelemetry(options: {
  log: TelemetryLog
  positions: LastPositions
  incidents: EmbeddedIncidents
}): TelemetryStore {
  const { log, positions, incidents } = options
  const enqueue = createTurnBatches<string>({
    itemsMax: BLOCK_RECORDS_MAX,
    async write(appId, records) {
      await durable(log.append(appId, records))
      if (!log.trim(appId, positions.savedUpTo(appId))) positions.saveSoon(appId)
    },
  })

  // JSON here and not in the block: what cannot be written rejects alone.
  const appendTo = (record: TelemetryRecord) => enqueue(record.appId, JSON.stringify(record))

  function appendAsLast(record: TelemetryRecord): Promise<unknown> {
    const written = appendTo(record)
    positions.set(record, written)
    const { occurredAt, position } = record
    const onTrail = position && incidents.addToTrail(record, { occurredAt, position })
    return onTrail ? Promise.all([written, onTrail]) : written
  }

  return {
    async append(record, mayBeLast) {
      if (!record.position || record.isHistory) return appendTo(record)
      if (!mayBeLast) return void (await appendAsLast(record))
      const last = positions.read(record.appId, record.userId)
      const verdict = mayBeLast(last?.record ?? null)
      if (verdict === 'history') return appendTo({ ...record, isHistory: true })
      // What it repeats may be on its way to the disk itself.
      await (verdict === 'repeat' ? last?.written : appendAsLast(record))
    },
    async readLastPosition({ appId, userId }) {
      return positions.read(appId, userId)?.record ?? null
    },
    async forget({ appId, userId }) {
      await Promise.all([positions.forget(appId, userId), log.forget(appId, userId)])
    },
    async readLatest(appId, limit) {
      return log.readLatest(appId, limit)
    },
  }
}

/** Twice what the gate lets into a turn. */
const BLOCK_RECORDS_MAX = 64

import type { Database } from 'lmdb'
import type { TelemetryRecord, TelemetryStore } from '../store.js'
import type { CappedLog } from './capped-log.js'
import { durable } from './durable.js'
import type { EmbeddedIncidents } from './incidents.js'

/** Telemetry in LMDB. Writes of one turn of the event loop are one transaction, in the order of the calls. */
export function createEmbeddedTelemetry({
  log,
  lastPositions,
  incidents,
}: {
  log: CappedLog<TelemetryRecord>
  lastPositions: Database<TelemetryRecord, string[]>
  incidents: EmbeddedIncidents
}): TelemetryStore {
  return {
    async append(record) {
      const { appId, userId, occurredAt, position } = record
      await durable(
        log.append(appId, record),
        position && lastPositions.put([appId, userId], record),
        position && incidents.addToTrail(record, { occurredAt, position }),
      )
    },
    async readLastPosition({ appId, userId }) {
      return lastPositions.get([appId, userId]) ?? null
    },
    async forget({ appId, userId }) {
      await durable(
        lastPositions.remove([appId, userId]),
        log.removeWhere(appId, (record) => record.userId === userId),
      )
    },
    async readLatest(appId, limit) {
      return log.readLatest(appId, limit)
    },
  }
}

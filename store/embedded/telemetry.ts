import type { Database, RootDatabase } from 'lmdb'
import type { TelemetryRecord, TelemetryStore } from '../store.js'
import type { CappedLog } from './capped-log.js'
import { durable } from './durable.js'
import type { EmbeddedIncidents } from './incidents.js'

/** Telemetry in LMDB. Writes of one turn of the event loop are one transaction, in the order of the calls. */
export function createEmbeddedTelemetry({
  root,
  log,
  lastPositions,
  incidents,
}: {
  root: RootDatabase
  log: CappedLog<TelemetryRecord>
  lastPositions: Database<TelemetryRecord, string[]>
  incidents: EmbeddedIncidents
}): TelemetryStore {
  return {
    async append(record, mayBeLast) {
      const { appId, userId, occurredAt, position } = record
      const key = [appId, userId]
      if (!position || record.isHistory) return void (await durable(log.append(appId, record)))
      if (!mayBeLast) {
        return void (await durable(
          log.append(appId, record),
          lastPositions.put(key, record),
          incidents.addToTrail(record, { occurredAt, position }),
        ))
      }
      const work = root.transaction(() => {
        const verdict = mayBeLast(lastPositions.get(key) ?? null)
        if (verdict === 'repeat') return verdict
        void log.append(appId, verdict === 'last' ? record : { ...record, isHistory: true })
        if (verdict === 'last') lastPositions.put(key, record)
        return verdict
      })
      const [verdict] = await durable(work)
      if (verdict === 'last') await incidents.addToTrail(record, { occurredAt, position })
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

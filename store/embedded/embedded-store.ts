import { mkdirSync } from 'node:fs'
import { open } from 'lmdb'
import type { LifecycleEvent, Retention, Store, TelemetryRecord } from '../store.js'
import { openCappedLog } from './capped-log.js'
import { createEmbeddedEvents } from './events.js'
import { createEmbeddedIncidents } from './incidents.js'
import { createEmbeddedTelemetry } from './telemetry.js'
import { createEmbeddedUsers } from './users.js'

/**
 * The store without Redis: one LMDB file in `directory`. Every promise resolves after fsync; writes that are
 * under way at the same time share one.
 *
 * @throws when the directory cannot be written.
 */
export function openEmbeddedStore(options: { directory: string; retention: Retention }): Store {
  const { directory, retention } = options
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  // overlappingSync would resolve before the data is on disk.
  const root = open({ path: directory, maxDbs: 16, overlappingSync: false, encoding: 'json' })
  const events = createEmbeddedEvents(openCappedLog<LifecycleEvent>(root, 'events', retention.eventsPerApp))
  const incidents = createEmbeddedIncidents(root, { events, retention })
  return {
    incidents,
    users: createEmbeddedUsers(root),
    telemetry: createEmbeddedTelemetry({
      log: openCappedLog<TelemetryRecord>(root, 'telemetry', retention.telemetryPerApp),
      lastPositions: root.openDB({ name: 'positions', encoding: 'json' }),
      incidents,
    }),
    events,
    async durability() {
      return { isDurable: true, explanation: 'An acknowledged SOS is on the disk of this machine.' }
    },
    async ping() {},
    async stop() {
      await root.flushed
      await root.close()
    },
  }
}

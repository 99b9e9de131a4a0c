import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import type { LifecycleEvent, Retention, Store, TelemetryRecord } from '../store.js'
import { openCappedLog } from './capped-log.js'
import { createEmbeddedEvents } from './events.js'
import { createEmbeddedIncidents } from './incidents.js'
import { createEmbeddedRevocations } from './revocations.js'
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
  const root = open({
    path: directory,
    maxDbs: 16,
    encoding: 'json',
    overlappingSync: false, // it would resolve before the data is on disk
    eventTurnBatching: false, // its own promises reject unseen when a commit fails
  })
  for (const file of ['data.mdb', 'lock.mdb']) chmodSync(join(directory, file), 0o600) // positions of people
  const events = createEmbeddedEvents(openCappedLog<LifecycleEvent>(root, 'events', retention.eventsPerApp))
  const incidents = createEmbeddedIncidents(root, { events, retention })
  return {
    incidents,
    users: createEmbeddedUsers(root),
    revocations: createEmbeddedRevocations(root),
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
    async probe() {},
    async stop() {
      try {
        await root.flushed
      } catch {
        // Whoever wrote what was not flushed has been told.
      }
      await root.close()
    },
  }
}

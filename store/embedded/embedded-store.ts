import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import type { RootDatabase } from 'lmdb'
import type { LifecycleEvent, Retention, Store } from '../store.js'
import { openCappedLog } from './capped-log.js'
import { createEmbeddedDeliveries } from './deliveries.js'
import { durable } from './durable.js'
import { createEmbeddedEvents } from './events.js'
import { createEmbeddedGateways } from './gateways.js'
import { createEmbeddedIncidents } from './incidents.js'
import { createLastPositions } from './last-positions.js'
import { createEmbeddedMesh } from './mesh.js'
import { createEmbeddedRevocations } from './revocations.js'
import { createEmbeddedTelemetry } from './telemetry.js'
import { openTelemetryLog } from './telemetry-log.js'
import { createEmbeddedUsers } from './users.js'
import { createEmbeddedWebhooks } from './webhooks.js'

/**
 * The store without Redis: one LMDB file in `directory`. Every promise resolves after fsync; writes that are
 * under way at the same time share one.
 *
 * @throws when the directory cannot be written.
 */
export function openEmbeddedStore(options: { directory: string; retention: Retention }): Store {
  const { directory, retention } = options
  const root = openEnvironment(directory)
  // One of its own, so that an SOS never waits for the commit of a thousand positions.
  const telemetryRoot = openEnvironment(join(directory, 'telemetry'))
  moveTelemetry(root, telemetryRoot)
  const eventLog = openCappedLog<LifecycleEvent>(root, 'events', retention.eventsPerApp)
  const events = createEmbeddedEvents(eventLog)
  const incidents = createEmbeddedIncidents(root, { events, retention })
  const log = openTelemetryLog(telemetryRoot, retention.telemetryPerApp)
  const positions = createLastPositions({
    table: telemetryRoot.openDB({ name: 'positions', encoding: 'json' }),
    marks: telemetryRoot.openDB({ name: 'positions-up-to', encoding: 'json' }),
    log,
  })
  const probes = root.openDB<number, string>({ name: 'probes', encoding: 'json' })
  return {
    incidents,
    users: createEmbeddedUsers(root),
    revocations: createEmbeddedRevocations(root),
    gateways: createEmbeddedGateways(root),
    mesh: createEmbeddedMesh(root),
    webhooks: createEmbeddedWebhooks(root),
    deliveries: createEmbeddedDeliveries(
      telemetryRoot,
      (appId) => eventLog.readAfter(appId, 0, 1)[0]?.entry.at,
    ),
    telemetry: createEmbeddedTelemetry({ log, positions, incidents }),
    events,
    async durability() {
      return { isDurable: true, explanation: 'An acknowledged SOS is on the disk of this machine.' }
    },
    async ping() {},
    async probe(appId) {
      await durable(probes.put(appId, Date.now()))
    },
    async stop() {
      await positions.stop()
      for (const environment of [root, telemetryRoot]) {
        try {
          await environment.flushed
        } catch {
          // Whoever wrote what was not flushed has been told.
        }
        await environment.close()
      }
    },
  }
}

function openEnvironment(directory: string): RootDatabase {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const root = open({
    path: directory,
    maxDbs: 32,
    encoding: 'json',
    overlappingSync: false, // it would resolve before the data is on disk
    eventTurnBatching: false, // its own promises reject unseen when a commit fails
  })
  for (const file of ['data.mdb', 'lock.mdb']) chmodSync(join(directory, file), 0o600) // positions of people
  return root
}

/** Takes over what an earlier layout kept in the environment of everything else. */
function moveTelemetry(from: RootDatabase, to: RootDatabase): void {
  for (const name of ['telemetry', 'positions']) {
    const old = from.openDB<unknown, (string | number)[]>({ name, encoding: 'json' })
    const next = to.openDB<unknown, (string | number)[]>({ name, encoding: 'json' })
    if ([...old.getKeys({ limit: 1 })].length === 0) continue
    // Copied and committed before it is removed: a crash in between copies it once more.
    to.transactionSync(() => {
      for (const { key, value } of old.getRange()) next.putSync(key, value)
    })
    old.clearSync()
  }
}

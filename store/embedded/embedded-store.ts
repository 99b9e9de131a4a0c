import { mkdirSync } from 'node:fs'
import { open } from 'lmdb'
import type { Database, RootDatabase } from 'lmdb'
import type {
  Change,
  EventLog,
  Incident,
  IncidentStore,
  LifecycleEvent,
  Retention,
  Store,
  TelemetryRecord,
  TelemetryStore,
  UserState,
} from '../store.js'
import { openCappedLog } from './capped-log.js'
import type { CappedLog } from './capped-log.js'

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
  const root = open({ path: directory, maxDbs: 8, overlappingSync: false, encoding: 'json' })
  const table = <Value>(name: string) => root.openDB<Value, string[]>({ name, encoding: 'json' })
  const events = createEvents(openCappedLog<LifecycleEvent>(root, 'events', retention.eventsPerApp))
  return {
    incidents: createIncidents(root, {
      open: table<Incident>('open'),
      all: table<Incident>('incidents'),
      reportKeys: table<string[]>('reports'),
      reportKeysMax: retention.reportKeysPerUser,
      events,
    }),
    telemetry: createTelemetry({
      log: openCappedLog<TelemetryRecord>(root, 'telemetry', retention.telemetryPerApp),
      lastPositions: table<TelemetryRecord>('positions'),
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

interface EmbeddedEvents extends EventLog {
  /** Inside a transaction. */
  append(event: LifecycleEvent): void
  /** After its commit. */
  announce(event: LifecycleEvent): void
}

function createEvents(log: CappedLog<LifecycleEvent>): EmbeddedEvents {
  const followers: ((event: LifecycleEvent) => void)[] = []
  return {
    append: (event) => void log.append(event.appId, event),
    announce(event) {
      for (const onEvent of followers) onEvent(event)
    },
    async follow(_appIds, onEvent) {
      followers.push(onEvent)
    },
    async readLatest(appId, limit) {
      return log.readLatest(appId, limit).toReversed()
    },
  }
}

interface IncidentTables {
  open: Database<Incident, string[]>
  all: Database<Incident, string[]>
  reportKeys: Database<string[], string[]>
  reportKeysMax: number
  events: EmbeddedEvents
}

function createIncidents(
  root: RootDatabase,
  { open, all, reportKeys, reportKeysMax, events }: IncidentTables,
): IncidentStore {
  return {
    async change<Result>(
      user: { appId: string; userId: string },
      reportKey: string | undefined,
      decide: (state: UserState) => Change<Result>,
    ) {
      const key = [user.appId, user.userId]
      const change = await root.transaction(() => {
        const counted = reportKeys.get(key) ?? []
        const isRepeat = reportKey !== undefined && counted.includes(reportKey)
        const wanted = decide({ openIncident: open.get(key) ?? null, isRepeat })
        const { incident, event } = wanted
        if (!incident || !event) return wanted
        if (wanted.reportKey !== undefined && !isRepeat) {
          reportKeys.put(key, [...counted, wanted.reportKey].slice(-reportKeysMax))
        }
        if (incident.status === 'active' || incident.status === 'acknowledged') open.put(key, incident)
        else open.remove(key)
        all.put([user.appId, incident.incidentId], incident)
        events.append(event)
        return wanted
      })
      if (change.event) events.announce(change.event)
      return change.result
    },
    async readOpen({ appId, userId }) {
      return open.get([appId, userId]) ?? null
    },
    async read(appId, incidentId) {
      return all.get([appId, incidentId]) ?? null
    },
  }
}

function createTelemetry({
  log,
  lastPositions,
}: {
  log: CappedLog<TelemetryRecord>
  lastPositions: Database<TelemetryRecord, string[]>
}): TelemetryStore {
  return {
    // Writes of one turn of the event loop are one transaction, in the order of the calls.
    async append(record) {
      const { appId, userId, position } = record
      await Promise.all([log.append(appId, record), position && lastPositions.put([appId, userId], record)])
    },
    async readLastPosition({ appId, userId }) {
      return lastPositions.get([appId, userId]) ?? null
    },
    async readLatest(appId, limit) {
      return log.readLatest(appId, limit)
    },
  }
}

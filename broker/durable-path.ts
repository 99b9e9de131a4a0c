import { join } from 'node:path'
import type { OpenIncidents } from '../handlers/open-incidents.js'
import { createReadAgain } from '../handlers/read-again.js'
import { createReplay } from '../handlers/replay.js'
import type { Replay } from '../handlers/replay.js'
import type { Fallback } from '../handlers/sos-intake.js'
import type { SosTaker } from '../handlers/sos.js'
import { createTelemetryIntake } from '../handlers/telemetry-intake.js'
import type { Health } from '../ops/admin.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import { createAvailability } from '../store/availability.js'
import type { Availability } from '../store/availability.js'
import { openJournal } from '../store/journal/journal.js'
import type { Journal } from '../store/journal/journal.js'
import type { RedisStore } from '../store/redis/redis-store.js'
import type { IncidentStore, Store, TelemetryStore } from '../store/store.js'
import { within } from '../store/within.js'
import type { Config } from './config.js'

/** What stands between an acknowledgement and the store. */
export interface DurablePath {
  /** For the way of an SOS; absent where nothing can take it instead of the store. */
  fallback?: Fallback
  telemetry: Pick<TelemetryStore, 'append'>
  /** For whoever reads or changes an incident: first what the journal holds of the user is brought to the store. */
  incidents: IncidentStore
  health(): Promise<Health>
  /** How many apps have a store that takes no writes now. */
  awayApps(): number
  /** Begins to bring what an earlier run left. */
  start(): void
  stop(): Promise<void>
}

/** The embedded store is itself on this machine's disk: a journal beside it would share its fate. */
export function createEmbeddedPath(store: Store, { storeTimeoutMs }: Config): DurablePath {
  return {
    telemetry: store.telemetry,
    incidents: store.incidents,
    async health() {
      await within(storeTimeoutMs, store.probe('readiness'))
      return { status: 'ready', reasons: [(await store.durability()).explanation] }
    },
    awayApps: () => 0,
    start() {},
    async stop() {},
  }
}

/** With Redis: while that is away, the journal on this machine's disk. */
export function createRedisPath(options: {
  store: RedisStore
  takeSos: SosTaker
  /** For a look at whether writes are taken. */
  appIds: () => string[]
  openIncidents: OpenIncidents
  config: Config
  log: Log
  metrics: Metrics
}): DurablePath {
  const { store, takeSos, appIds, openIncidents, config, log, metrics } = options
  const { storeTimeoutMs } = config
  const opened = tryToOpenJournal(config, log, metrics)
  if ('reason' in opened) {
    const missing = `the journal cannot be used (${opened.reason}): no SOS is acknowledged while Redis is away`
    return {
      telemetry: store.telemetry,
      incidents: store.incidents,
      async health() {
        await within(storeTimeoutMs, store.ping())
        const reasons = [missing, ...unreadableLogs(store, appIds()), (await store.durability()).explanation]
        return { status: 'degraded', reasons }
      },
      awayApps: () => 0,
      start() {},
      async stop() {},
    }
  }
  const { journal } = opened
  const availability: Availability = createAvailability({
    probe: store.probe,
    limitMs: storeTimeoutMs,
    onBack: (_appId, wasAway) => replay.wake(wasAway),
    isOutage: store.isOutage,
    log,
  })
  const replay: Replay = createReplay({
    journal,
    takeSos,
    late: store.late,
    availability,
    onReplayed: (kind, count) => metrics.replayed.inc({ kind }, count),
    log,
  })
  const readAgain = createReadAgain(journal, () => replay.wake(true))
  metrics.watchJournal(() => ({
    sos: journal.sos.depth,
    telemetry: journal.telemetry.depth,
    oldestSosAt: journal.oldestSosAt,
    sosBytes: journal.sos.bytes,
    telemetryBytes: journal.telemetry.bytes,
    telemetrySince: journal.telemetrySince,
    sosUnreadable: journal.sos.unreadable.length,
    telemetryUnreadable: journal.telemetry.unreadable.length,
  }))
  const onJournaled = (kind: 'sos' | 'telemetry', appId: string) => {
    metrics.journaled.inc({ kind })
    if (!availability.isAway(appId)) replay.wake() // else when it is back
  }
  return {
    fallback: {
      journal,
      availability,
      openIncidents,
      limitMs: storeTimeoutMs,
      onJournaled: (appId) => onJournaled('sos', appId),
    },
    telemetry: createTelemetryIntake(store.telemetry, {
      journal,
      availability,
      onJournaled: (appId) => onJournaled('telemetry', appId),
    }),
    incidents: {
      ...store.incidents,
      async change(user, reportKeys, decide) {
        await replay.settle(user)
        return store.incidents.change(user, reportKeys, decide)
      },
      async readOpen(user) {
        await replay.settle(user)
        return store.incidents.readOpen(user)
      },
    },
    health: () => readHealth({ store, journal, availability, appIds, storeTimeoutMs }),
    awayApps: () => availability.away().length,
    start() {
      replay.wake()
      readAgain.start()
    },
    async stop() {
      readAgain.stop()
      availability.stop()
      await replay.stop()
      await journal.stop()
    },
  }
}

function tryToOpenJournal(
  config: Config,
  log: Log,
  metrics: Metrics,
): { journal: Journal } | { reason: string } {
  try {
    const journal = openJournal({
      directory: join(config.dataDir, 'journal'),
      telemetryBytesMax: config.journal.telemetryBytesMax,
      onTelemetryDropped(count) {
        metrics.journalDropped.inc({ kind: 'telemetry' }, count)
        log.warn({ count }, 'journal: the oldest telemetry had to go')
      },
      log,
    })
    return { journal }
  } catch (error) {
    // A broker that takes an SOS while Redis is there is better than none.
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code ?? message
    log.error({ reason }, 'the journal cannot be used: no SOS is acknowledged while Redis is away')
    return { reason }
  }
}

function unreadableLogs(store: RedisStore, appIds: string[]): string[] {
  return store
    .unreadableLogs(appIds)
    .map(({ appId, reason }) => `the event log of app ${appId} cannot be read (${reason}): its events wait`)
}

async function readHealth(options: {
  store: RedisStore
  journal: Journal
  availability: Availability
  appIds: () => string[]
  storeTimeoutMs: number
}): Promise<Health> {
  const { store, journal, availability, appIds, storeTimeoutMs } = options
  const reasons: string[] = []
  const [appId] = appIds()
  try {
    await within(storeTimeoutMs, appId === undefined ? store.ping() : store.probe(appId))
  } catch (error) {
    reasons.push(`Redis takes no writes (${(error as Error).message}): SOS and telemetry go to the journal`)
  }
  for (const { appId: away, reason } of availability.away())
    if (reasons.length === 0 || away !== appId)
      reasons.push(`Redis takes no writes for app ${away} (${reason}): SOS and telemetry go to the journal`)
  reasons.push(...unreadableLogs(store, appIds()))
  for (const { file, reason } of journal.unreadable)
    reasons.push(`the file ${file} of the journal cannot be read (${reason}): what is in it waits`)
  const { depth } = journal.sos
  if (depth + journal.telemetry.depth > 0)
    reasons.push(`the journal holds ${depth} SOS and ${journal.telemetry.depth} telemetry messages for Redis`)
  if (reasons.length > 0) return { status: 'degraded', reasons }
  return { status: 'ready', reasons: [(await store.durability()).explanation] }
}

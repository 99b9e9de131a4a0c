import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

export interface JournalState {
  sos: number
  telemetry: number
  /** Milliseconds since 1970. */
  oldestSosAt: number | null
  sosBytes: number
  telemetryBytes: number
  /** Since when telemetry has been in the journal without a pause; milliseconds since 1970. */
  telemetrySince: number | null
  /** Files that cannot be read. */
  sosUnreadable: number
  telemetryUnreadable: number
}

const EMPTY_JOURNAL: JournalState = {
  sos: 0,
  telemetry: 0,
  oldestSosAt: null,
  sosBytes: 0,
  telemetryBytes: 0,
  telemetrySince: null,
  sosUnreadable: 0,
  telemetryUnreadable: 0,
}

export interface WebhooksState {
  held: number
  /** Milliseconds since 1970. */
  oldestHeldAt: number | null
}

/** Everything that is counted, in a registry of its own. Labels have few values; ids belong in the log. */
export function createMetrics() {
  const registry = new Registry()
  let readJournal: () => JournalState = () => EMPTY_JOURNAL
  let readWebhooks: () => WebhooksState = () => ({ held: 0, oldestHeldAt: null })
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `connect_broker_${name}`, help, labelNames, registers: [registry] })
  const histogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets: number[],
  ) => new Histogram({ name: `connect_broker_${name}`, help, labelNames, buckets, registers: [registry] })
  const metrics = {
    registry,
    connections: new Gauge({
      name: 'connect_broker_connections',
      help: 'Open connections; the version is none before CONNECT',
      labelNames: ['transport', 'version'],
      registers: [registry],
    }),
    pubackSeconds: histogram(
      'puback_seconds',
      'From a PUBLISH read at the gate to its PUBACK or PUBREC handed to the socket; of telemetry every eighth',
      ['kind'],
      SECONDS,
    ),
    storeSeconds: histogram(
      'store_seconds',
      'How long the store took; of telemetry one write at a time is timed',
      ['operation'],
      SECONDS,
    ),
    eventLagSeconds: histogram(
      'event_lag_seconds',
      'From the change of an incident to its event handed to the sessions of this node',
      ['type'],
      LAG_SECONDS,
    ),
    logLinesSuppressed: counter('log_lines_suppressed_total', 'Repeated log lines that were only counted', [
      'level',
    ]),
    connectionsRefused: counter('connections_refused_total', 'Connections refused before login', ['reason']),
    sessions: new Gauge({
      name: 'connect_broker_sessions',
      help: 'Sessions of logged-in clients',
      registers: [registry],
    }),
    logins: counter('logins_total', 'CONNECTs by outcome', ['outcome']),
    violations: counter('protocol_violations_total', 'Connections ended because a clause was broken', [
      'clause',
    ]),
    messages: counter('messages_total', 'Publications by kind and outcome', ['kind', 'outcome']),
    oddities: counter('oddities_total', 'Messages that were taken although something in them was wrong', [
      'kind',
      'note',
    ]),
    meshMessages: counter('mesh_messages_total', 'Publications of gateways and messages in them by outcome', [
      'outcome',
    ]),
    subscriptions: counter('subscriptions_total', 'Topic filters by outcome', ['outcome']),
    requests: counter('http_requests_total', 'HTTP requests by route and status', ['route', 'status']),
    eventsDelivered: counter('events_delivered_total', 'Lifecycle events handed to sessions', ['type']),
    journaled: counter('journaled_total', 'Messages acknowledged from the journal instead of the store', [
      'kind',
    ]),
    replayed: counter('journal_replayed_total', 'Messages brought from the journal to the store', ['kind']),
    journalDropped: counter(
      'journal_dropped_total',
      'Telemetry that the full journal gave up, oldest first',
      ['kind'],
    ),
    journalEntries: new Gauge({
      name: 'connect_broker_journal_entries',
      help: 'Messages in the journal that the store does not have yet',
      labelNames: ['kind'],
      registers: [registry],
      collect() {
        const { sos, telemetry } = readJournal()
        this.set({ kind: 'sos' }, sos)
        this.set({ kind: 'telemetry' }, telemetry)
      },
    }),
    journalBytes: new Gauge({
      name: 'connect_broker_journal_bytes',
      help: 'Size of the journal on disk',
      labelNames: ['kind'],
      registers: [registry],
      collect() {
        const { sosBytes, telemetryBytes } = readJournal()
        this.set({ kind: 'sos' }, sosBytes)
        this.set({ kind: 'telemetry' }, telemetryBytes)
      },
    }),
    journalAge: new Gauge({
      name: 'connect_broker_journal_oldest_sos_seconds',
      help: 'How long the oldest SOS in the journal has waited for the store; 0 without one',
      registers: [registry],
      collect() {
        this.set(secondsSince(readJournal().oldestSosAt))
      },
    }),
    journalTelemetryAge: new Gauge({
      name: 'connect_broker_journal_telemetry_seconds',
      help: 'How long telemetry has been in the journal without a pause; 0 without any',
      registers: [registry],
      collect() {
        this.set(secondsSince(readJournal().telemetrySince))
      },
    }),
    journalUnreadable: new Gauge({
      name: 'connect_broker_journal_unreadable_files',
      help: 'Files of the journal that cannot be read; what is in them is acknowledged and not in the store',
      labelNames: ['kind'],
      registers: [registry],
      collect() {
        const { sosUnreadable, telemetryUnreadable } = readJournal()
        this.set({ kind: 'sos' }, sosUnreadable)
        this.set({ kind: 'telemetry' }, telemetryUnreadable)
      },
    }),
    /** Where the journal's gauges come from. */
    watchJournal(read: () => JournalState) {
      readJournal = read
    },
    webhookAttempts: counter(
      'webhook_attempts_total',
      'Requests to web hooks by outcome, and events given up',
      ['outcome'],
    ),
    webhookGaps: counter(
      'webhook_gaps_total',
      'Times that events were gone from the log before a web hook got them',
      [],
    ),
    webhookLettersDropped: counter(
      'webhook_dead_letters_dropped_total',
      'Dead letters of web hooks that had to give way to newer ones',
      [],
    ),
    webhookHeld: new Gauge({
      name: 'connect_broker_webhook_held_incidents',
      help: 'Incidents whose delivery to a web hook fails, of the web hooks that this node serves',
      registers: [registry],
      collect() {
        this.set(readWebhooks().held)
      },
    }),
    webhookAge: new Gauge({
      name: 'connect_broker_webhook_oldest_held_seconds',
      help: 'How long the first of them has waited; 0 without one',
      registers: [registry],
      collect() {
        this.set(secondsSince(readWebhooks().oldestHeldAt))
      },
    }),
    /** Where the gauges of web hooks come from. */
    watchWebhooks(read: () => WebhooksState) {
      readWebhooks = read
    },
    sessionsEnded: counter('sessions_ended_total', 'Sessions that the broker ended', ['reason']),
  }
  startAtZero(metrics)
  return metrics
}

/** A rate needs a sample from before the first event: what operators are alarmed by is there from the start. */
function startAtZero({
  messages,
  logins,
  journaled,
  replayed,
  journalDropped,
  eventsDelivered,
}: Record<
  'messages' | 'logins' | 'journaled' | 'replayed' | 'journalDropped' | 'eventsDelivered',
  Counter
>): void {
  for (const kind of ['sos', 'telemetry']) {
    for (const outcome of ['accepted', 'repeat', 'journaled', 'dropped', 'failed'])
      if (kind === 'sos' || !['repeat', 'journaled'].includes(outcome)) messages.inc({ kind, outcome }, 0)
    journaled.inc({ kind }, 0)
    replayed.inc({ kind }, 0)
  }
  journalDropped.inc({ kind: 'telemetry' }, 0)
  for (const outcome of ['accepted', 'wrong-hash', 'unknown-app', 'throttled']) logins.inc({ outcome }, 0)
  for (const type of ['processed', 'acknowledged', 'cancelled', 'resolved']) eventsDelivered.inc({ type }, 0)
}

function secondsSince(at: number | null): number {
  return at === null ? 0 : Math.max(0, Date.now() - at) / 1000
}

/** A healthy store answers in a few milliseconds; after STORE_TIMEOUT_MS (500 by default) the journal has it. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
/** Minutes: an event may wait for Redis to be back. */
const LAG_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300]

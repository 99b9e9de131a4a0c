import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

export interface JournalState {
  sos: number
  telemetry: number
  /** Milliseconds since 1970. */
  oldestSosAt: number | null
}

/** Everything that is counted, in a registry of its own. Labels have few values; ids belong in the log. */
export function createMetrics() {
  const registry = new Registry()
  let readJournal: () => JournalState = () => ({ sos: 0, telemetry: 0, oldestSosAt: null })
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `connect_broker_${name}`, help, labelNames, registers: [registry] })
  return {
    registry,
    connections: new Gauge({
      name: 'connect_broker_connections',
      help: 'Open connections, before and after login',
      labelNames: ['transport'],
      registers: [registry],
    }),
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
    mesh: counter('mesh_messages_total', 'What gateways brought, by what became of it', ['outcome']),
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
    journalAge: new Gauge({
      name: 'connect_broker_journal_oldest_sos_seconds',
      help: 'How long the oldest SOS in the journal has waited for the store; 0 without one',
      registers: [registry],
      collect() {
        const { oldestSosAt } = readJournal()
        this.set(oldestSosAt === null ? 0 : Math.max(0, Date.now() - oldestSosAt) / 1000)
      },
    }),
    /** Where the journal's gauges come from. */
    watchJournal(read: () => JournalState) {
      readJournal = read
    },
    sessionsEnded: counter('sessions_ended_total', 'Sessions that the broker ended', ['reason']),
  }
}

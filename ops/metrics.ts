import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

/** Everything that is counted, in a registry of its own. Labels have few values; ids belong in the log. */
export function createMetrics() {
  const registry = new Registry()
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
    subscriptions: counter('subscriptions_total', 'Topic filters by outcome', ['outcome']),
    requests: counter('http_requests_total', 'HTTP requests by route and status', ['route', 'status']),
    eventsDelivered: counter('events_delivered_total', 'Lifecycle events handed to sessions', ['type']),
    sessionsEnded: counter('sessions_ended_total', 'Sessions that the broker ended', ['reason']),
  }
}

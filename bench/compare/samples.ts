import type { ContenderName } from './contenders/contender.js'

/** One figure of one contender in one round. */
export interface Sample {
  metric: MetricName
  contender: ContenderName
  value: number
}

export type MetricName = keyof typeof METRICS

/** Everything that is measured, in the order in which it is told. `digits`: behind the point. */
export const METRICS = {
  'ingest-rate': { title: 'telemetry stored', unit: 'messages/s', digits: 0 },
  'ingest-lost': { title: 'acknowledged and not found in the store', unit: 'messages', digits: 0 },
  'ingest-cpu': { title: 'CPU of all server processes', unit: 's per million messages', digits: 1 },
  'ingest-cpu-broker': { title: 'of these, the process with the connections', unit: 's', digits: 1 },
  'ingest-cpu-worker': { title: 'of these, the worker', unit: 's', digits: 1 },
  'ingest-cpu-redis': { title: 'of these, Redis', unit: 's', digits: 1 },
  'ingest-cpu-load': { title: 'beside these, the load', unit: 's', digits: 1 },
  'ingest-server-core': { title: "server's core busy", unit: '%', digits: 0 },
  'ingest-load-core': { title: "load's core busy", unit: '%', digits: 0 },
  'puback-p50': { title: 'PUBACK p50 at the fixed rate', unit: 'ms', digits: 2 },
  'puback-p99': { title: 'PUBACK p99 at the fixed rate', unit: 'ms', digits: 2 },
  'puback-max': { title: 'PUBACK slowest', unit: 'ms', digits: 1 },
  'fixed-cpu': { title: 'CPU at the fixed rate', unit: 's per million messages', digits: 1 },
  'fixed-lost': { title: 'acknowledged and not stored at the fixed rate', unit: 'messages', digits: 0 },
  'puback-lateness': { title: 'p99 by which the load itself was late', unit: 'ms', digits: 2 },
  'sos-stored-p99': { title: 'SOS to stored, alone, p99', unit: 'ms', digits: 2 },
  'sos-puback-p99': { title: 'SOS to PUBACK, alone, p99', unit: 'ms', digits: 2 },
  'sos-event-p50': { title: 'SOS to event, alone, p50', unit: 'ms', digits: 2 },
  'sos-event-p99': { title: 'SOS to event, alone, p99', unit: 'ms', digits: 2 },
  'sos-event-missing': { title: 'SOS without an event, alone', unit: 'SOS', digits: 0 },
  'flood-stored-p99': { title: 'SOS to stored, under saturation, p99', unit: 'ms', digits: 1 },
  'flood-puback-p99': { title: 'SOS to PUBACK, under saturation, p99', unit: 'ms', digits: 1 },
  'flood-event-p50': { title: 'SOS to event, under saturation, p50', unit: 'ms', digits: 1 },
  'flood-event-p99': { title: 'SOS to event, under saturation, p99', unit: 'ms', digits: 1 },
  'flood-event-missing': { title: 'SOS without an event, under saturation', unit: 'SOS', digits: 0 },
  'events-rate': { title: 'events delivered', unit: 'events/s', digits: 0 },
  'connect-rate': { title: 'authenticated connects', unit: 'connects/s', digits: 0 },
  'connect-cpu': { title: 'CPU of a connect', unit: 'ms', digits: 3 },
  'start-up': { title: 'start to first connection', unit: 'ms', digits: 0 },
  'back-after': { title: 'everybody back after a restart', unit: 's', digits: 1 },
  'idle-tcp': { title: 'resident memory of an idle connection, tcp', unit: 'kB', digits: 1 },
  'idle-tls': { title: 'resident memory of an idle connection, tls', unit: 'kB', digits: 1 },
  'grow-100': { title: 'CPU with 100 clients', unit: 's per million messages', digits: 1 },
  'grow-1000': { title: 'CPU with 1,000 clients', unit: 's per million messages', digits: 1 },
  'grow-10000': { title: 'CPU with 10,000 clients', unit: 's per million messages', digits: 1 },
  'node-one': { title: 'CPU of the only node', unit: 's per million messages', digits: 1 },
  'node-two': { title: 'CPU of each of two nodes', unit: 's per million messages', digits: 1 },
  'wire-tcp-4': { title: 'CPU over tcp, 3.1.1', unit: 's per million messages', digits: 1 },
  'wire-tcp-5': { title: 'CPU over tcp, 5.0', unit: 's per million messages', digits: 1 },
  'wire-tls-4': { title: 'CPU over tls, 3.1.1', unit: 's per million messages', digits: 1 },
  'wire-tls-5': { title: 'CPU over tls, 5.0', unit: 's per million messages', digits: 1 },
  'wire-ws-4': { title: 'CPU over ws, 3.1.1', unit: 's per million messages', digits: 1 },
  'wire-ws-5': { title: 'CPU over ws, 5.0', unit: 's per million messages', digits: 1 },
  'wire-wss-4': { title: 'CPU over wss, 3.1.1', unit: 's per million messages', digits: 1 },
  'wire-wss-5': { title: 'CPU over wss, 5.0', unit: 's per million messages', digits: 1 },
} as const

export interface Summary {
  median: number
  least: number
  most: number
  count: number
}

/** undefined when nobody measured it. */
export function summarize(
  samples: Sample[],
  metric: MetricName,
  contender: ContenderName,
): Summary | undefined {
  const values = samples
    .filter((sample) => sample.metric === metric && sample.contender === contender)
    .map(({ value }) => value)
    .toSorted((a, b) => a - b)
  if (values.length === 0) return undefined
  const middle = values.length / 2
  const median = Number.isInteger(middle)
    ? ((values[middle - 1] as number) + (values[middle] as number)) / 2
    : (values[Math.floor(middle)] as number)
  return { median, least: values[0] as number, most: values.at(-1) as number, count: values.length }
}

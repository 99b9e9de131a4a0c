import type { ContenderName } from './contenders/contender.js'
import { summarize } from './samples.js'
import type { MetricName, Sample } from './samples.js'

/** A bar that the product wants to reach, from medians of one run. */
export interface Target {
  text: string
  bar: string
  /** NaN when it was not measured. */
  value: number
  unit: string
  isHeld: boolean
}

export function judge(samples: Sample[]): Target[] {
  const of = (metric: MetricName, contender: ContenderName) =>
    summarize(samples, metric, contender)?.median ?? Number.NaN
  const ratio = (metric: MetricName, one: ContenderName, other: ContenderName) =>
    of(metric, one) / of(metric, other)
  const most = (metric: MetricName, contender: ContenderName) =>
    summarize(samples, metric, contender)?.most ?? Number.NaN
  const atLeast = (text: string, value: number, bar: number, unit = '×'): Target => ({
    text,
    bar: `≥ ${bar} ${unit}`,
    value,
    unit,
    isHeld: value >= bar,
  })
  const atMost = (text: string, value: number, bar: number, unit = '×'): Target => ({
    text,
    bar: `≤ ${bar} ${unit}`,
    value,
    unit,
    isHeld: value <= bar,
  })
  const targets = [
    atLeast('durable ingest, Redis, against the pipeline', ratio('ingest-rate', 'redis', 'pipeline'), 1.5),
    atLeast(
      'durable ingest, Redis, against bare Aedes, which stores nothing',
      ratio('ingest-rate', 'redis', 'aedes'),
      0.9,
    ),
    atLeast('durable ingest, embedded, against bare Aedes', ratio('ingest-rate', 'embedded', 'aedes'), 1),
    atMost('acknowledged and lost, Redis', most('ingest-lost', 'redis'), 0, 'messages'),
    atMost('acknowledged and lost, embedded', most('ingest-lost', 'embedded'), 0, 'messages'),
    atMost(
      'CPU of a stored message at saturation, Redis, against the pipeline',
      ratio('ingest-cpu', 'redis', 'pipeline'),
      0.6,
    ),
    atMost(
      'CPU of a stored message at saturation, embedded, against the pipeline',
      ratio('ingest-cpu', 'embedded', 'pipeline'),
      0.6,
    ),
    atMost('the same at the fixed rate, Redis', ratio('fixed-cpu', 'redis', 'pipeline'), 0.6),
    atMost('the same at the fixed rate, embedded', ratio('fixed-cpu', 'embedded', 'pipeline'), 0.6),
    atMost('PUBACK p99 at the fixed rate, embedded', of('puback-p99', 'embedded'), 10, 'ms'),
    atMost('PUBACK p99 at the fixed rate, Redis', of('puback-p99', 'redis'), 15, 'ms'),
    atMost('PUBACK p99, embedded, against Mosquitto', ratio('puback-p99', 'embedded', 'mosquitto'), 2),
    atMost('PUBACK p99, Redis, against Mosquitto', ratio('puback-p99', 'redis', 'mosquitto'), 2),
    ...(['embedded', 'redis'] as const).flatMap((name) => [
      atMost(`SOS to event p99, alone, ${name}`, of('sos-event-p99', name), 10, 'ms'),
      atMost(`SOS to event p99, under saturation, ${name}`, of('flood-event-p99', name), 50, 'ms'),
    ]),
    atLeast('connects, embedded, against the pipeline', ratio('connect-rate', 'embedded', 'pipeline'), 1.5),
    atLeast('connects, Redis, against the pipeline', ratio('connect-rate', 'redis', 'pipeline'), 1.5),
    atMost('everybody back after a restart, embedded', of('back-after', 'embedded'), 10, 's'),
    atMost('everybody back after a restart, Redis', of('back-after', 'redis'), 10, 's'),
    atMost('idle connection over tcp, against bare Aedes', ratio('idle-tcp', 'embedded', 'aedes'), 1),
    atMost('idle connection over tls', of('idle-tls', 'embedded'), 70, 'kB'),
    atLeast(
      'two nodes against one, by CPU of a message',
      (2 * of('node-one', 'redis')) / of('node-two', 'redis'),
      1.7,
    ),
  ]
  return targets.filter(({ value }) => !Number.isNaN(value))
}

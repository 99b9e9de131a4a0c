import { percentiles } from '../../overload/percentiles.js'
import type { Running } from '../contenders/contender.js'
import { startLoad } from '../load/load.js'
import type { LoadResult } from '../load/order.js'
import { addressOf, countCpu, identitiesOf, settledCount, sum } from './measure.js'
import type { MeasureContext, Note } from './measure.js'

/** Telemetry at a fixed rate, whatever the answers do. */
export async function measureLatency(running: Running, context: MeasureContext): Promise<void> {
  const { bench, sizes, note, remark, contender } = context
  const load = await startLoad(bench.cores, {
    ...addressOf(running),
    loop: 'open',
    identities: identitiesOf(running, sizes.clients),
    rate: sizes.rate,
    measuredMs: sizes.seconds * 1_000,
    run: 'latency',
  })
  const { store } = running
  const before = (await store?.count?.()) ?? 0
  const cpu = countCpu(running.programs())
  const { latencies, lateness, lost, busy, acknowledgedOf } = await load.run()
  const acknowledged = sum(acknowledgedOf)
  const stored = store?.count ? (await settledCount(store.count)) - before : acknowledged
  note('fixed-cpu', (cpu().all / stored) * 1e6)
  if (contender.isDurable) note('fixed-lost', acknowledged - stored)
  const { p50, p99, max } = percentiles(latencies.puback)
  note('puback-p50', p50)
  note('puback-p99', p99)
  note('puback-max', max)
  note('puback-lateness', percentiles(lateness).p99)
  if (busy > SATURATED) remark(`${contender.title}: the load was saturated at ${sizes.rate} messages/s`)
  if (lost > 0) remark(`${contender.title}: ${lost} connections lost at ${sizes.rate} messages/s`)
  await load.stop()
}

/** One SOS after the other, with nothing else to do. */
export async function measureSosAlone(running: Running, context: MeasureContext): Promise<void> {
  const { bench, sizes, note } = context
  const load = await startSosLoad(running, context, { callers: 50, rate: 50, first: 0 })
  noteSos(await load.run(), sizes.seconds * 50, note, 'sos')
  await load.stop()
  // How fast events come when everybody calls at once.
  const events = await startLoad(bench.cores, {
    ...addressOf(running),
    loop: 'closed',
    what: 'sos',
    isSubscriber: true,
    identities: identitiesOf(running, EVENT_CLIENTS),
    measuredMs: sizes.seconds * 500,
  })
  const outcome = await events.run()
  note('events-rate', outcome.events / outcome.seconds)
  await events.stop()
}

export function startSosLoad(
  running: Running,
  { bench, sizes }: MeasureContext,
  { callers, rate, first }: { callers: number; rate: number; first: number },
) {
  const watch = running.store?.watch
  return startLoad(bench.cores, {
    ...addressOf(running),
    loop: 'open',
    what: 'sos',
    isSubscriber: true,
    identities: identitiesOf(running, callers, first),
    rate,
    measuredMs: sizes.seconds * 1_000,
    ...(watch ? { watch } : {}),
  })
}

export function noteSos({ latencies }: LoadResult, due: number, note: Note, when: 'sos' | 'flood'): void {
  const { puback, event, stored } = latencies
  if (stored.length > 0) note(`${when}-stored-p99`, percentiles(stored).p99)
  note(`${when}-puback-p99`, percentiles(puback).p99)
  note(`${when}-event-p50`, percentiles(event).p50)
  note(`${when}-event-p99`, percentiles(event).p99)
  note(`${when}-event-missing`, Math.max(0, Math.min(puback.length, due) - event.length))
}

/** Above this part of the time the generator had no time of its own left. */
const SATURATED = 0.95
const EVENT_CLIENTS = 200

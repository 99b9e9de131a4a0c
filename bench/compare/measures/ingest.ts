import type { Running } from '../contenders/contender.js'
import { startLoad } from '../load/load.js'
import { FIRST_NUMBER } from '../load/packets.js'
import { noteSos, startSosLoad } from './latency.js'
import { addressOf, countCpu, identitiesOf, settledCount, sum } from './measure.js'
import type { MeasureContext } from './measure.js'

/** Numbers of the messages that were acknowledged, by user: all from FIRST_NUMBER on. */
export type Acknowledged = Map<string, number>

/**
 * Everybody sends the next message as soon as the last one is acknowledged; beside it, where there are events, an SOS
 * now and then. What was acknowledged is looked for in the store after the contender's end, with `countLost`.
 */
export async function measureIngest(running: Running, context: MeasureContext): Promise<Acknowledged> {
  const { contender, bench, sizes, note, remark } = context
  const { store } = running
  const identities = identitiesOf(running, sizes.clients)
  const load = await startLoad(bench.cores, {
    ...addressOf(running),
    loop: 'closed',
    identities,
    measuredMs: sizes.seconds * 1_000,
    run: 'ingest',
  })
  const sos = contender.isDurable
    ? await startSosLoad(running, context, { callers: CALLERS, rate: SOS_RATE, first: sizes.clients })
    : null
  const cpu = countCpu(running.programs())
  const counted = { atStart: (await store?.count?.()) ?? 0, from: 0, to: 0 }
  const [outcome, ofSos] = await Promise.all([
    load.run({
      onWindow: async () => void (counted.from = (await store?.count?.()) ?? 0),
      onEnd: async () => void (counted.to = (await store?.count?.()) ?? 0),
    }),
    sos?.run(),
  ])
  const acknowledged = sum(outcome.acknowledgedOf)
  const stored = store?.count ? (await settledCount(store.count)) - counted.atStart : acknowledged
  const used = cpu()
  const perMillion = (seconds: number) => (seconds / stored) * 1e6
  // What is stored before it is acknowledged is counted by its acknowledgements; else by a look into the store.
  const isLater = contender.name === 'pipeline'
  const inWindow = isLater ? counted.to - counted.from : outcome.acknowledged
  note('ingest-rate', inWindow / outcome.seconds)
  note('ingest-cpu', perMillion(used.all))
  note('ingest-cpu-broker', perMillion(used.of(running.broker().name)))
  if (used.of('worker') > 0) note('ingest-cpu-worker', perMillion(used.of('worker')))
  if (used.of('Redis') > 0) note('ingest-cpu-redis', perMillion(used.of('Redis')))
  note('ingest-cpu-load', ((outcome.busy * outcome.seconds) / outcome.acknowledged) * 1e6)
  note('ingest-server-core', outcome.serverCore * 100)
  note('ingest-load-core', outcome.loadCore * 100)
  if (ofSos) noteSos(ofSos, sizes.seconds * SOS_RATE, note, 'flood')
  if (outcome.loadCore > 0.97 && outcome.serverCore < 0.95)
    remark(
      `${contender.title}: the load's core was full, the server's was not: ingest is limited by the load`,
    )
  if (outcome.lost + outcome.refused > 0)
    remark(`${contender.title}: ${outcome.lost} connections lost, ${outcome.refused} messages refused`)
  await Promise.all([load.stop(), sos?.stop()])
  return new Map(identities.map(({ clientId }, i) => [clientId, outcome.acknowledgedOf[i] as number]))
}

/** Acknowledged messages that are in no record of the store. The broker has ended. */
export async function countLost({ store }: Running, acknowledged: Acknowledged): Promise<number> {
  if (!store) return Number.NaN
  const found = new Map<string, Set<number>>()
  for await (const { user, n } of store.read('ingest')) {
    if (n - FIRST_NUMBER >= (acknowledged.get(user) ?? 0)) continue
    const numbers = found.get(user)
    if (numbers) numbers.add(n)
    else found.set(user, new Set([n]))
  }
  return sum([...acknowledged].map(([user, count]) => count - (found.get(user)?.size ?? 0)))
}

const CALLERS = 50
const SOS_RATE = 50

import type { Running } from '../contenders/contender.js'
import { startLoad } from '../load/load.js'
import { addressOf, countCpu, identitiesOf } from './measure.js'
import type { MeasureContext } from './measure.js'

/** CONNECT to CONNACK of users who come 200 at a time. */
export async function measureConnects(running: Running, context: MeasureContext): Promise<void> {
  const { bench, sizes, note, remark, contender } = context
  const cpu = countCpu(running.programs())
  const load = await startLoad(bench.cores, {
    ...addressOf(running),
    loop: 'hold',
    identities: identitiesOf(running, sizes.connects),
  })
  note('connect-rate', load.up.connected / load.up.seconds)
  note('connect-cpu', (cpu().all / load.up.connected) * 1_000)
  if (load.up.failed > 0) remark(`${contender.title}: ${load.up.failed} of ${sizes.connects} connects failed`)
  await load.stop()
}

/** Everybody is connected when the broker is restarted; clients come back after two seconds, as the SDK's do. */
export async function measureReturn({ contender, bench, sizes, note }: MeasureContext): Promise<void> {
  const running = await contender.start(bench)
  const load = await startLoad(bench.cores, {
    ...addressOf(running),
    loop: 'return',
    identities: identitiesOf(running, sizes.idle),
  })
  const began = performance.now()
  const back = load.back()
  await running.restart()
  await back
  note('back-after', (performance.now() - began) / 1_000)
  await load.stop()
  await running.stop()
}

/** What a connection costs that does nothing. */
export async function measureIdle(context: MeasureContext, transport: 'tcp' | 'tls'): Promise<void> {
  const { contender, bench, sizes, note } = context
  const running = await contender.start(bench)
  const order = {
    ...addressOf(running),
    ports: [running.ports[transport] as number],
    transport,
    loop: 'hold' as const,
  }
  // What the first logins load and compile is no part of a connection.
  const first = await startLoad(bench.cores, {
    ...order,
    identities: identitiesOf(running, WARM_UP_CONNECTS),
  })
  await first.stop()
  await settle()
  const before = running.broker().residentBytes()
  const load = await startLoad(bench.cores, { ...order, identities: identitiesOf(running, sizes.idle) })
  await settle()
  const bytes = running.broker().residentBytes() - before
  note(transport === 'tcp' ? 'idle-tcp' : 'idle-tls', bytes / load.up.connected / 1_000)
  await load.stop()
  await running.stop()
}

/** Garbage of the logins is collected when there is nothing else to do. */
const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
const SETTLE_MS = 3_000
const WARM_UP_CONNECTS = 200

import { join } from 'node:path'
import { startNode } from '../contenders/connect-broker.js'
import type { Bench, Running } from '../contenders/contender.js'
import { startRedisServer } from '../contenders/redis-server.js'
import { startLoad } from '../load/load.js'
import type { Version } from '../load/packets.js'
import type { Transport } from '../load/wire.js'
import type { MetricName } from '../samples.js'
import { addressOf, countCpu, identitiesOf, sum } from './measure.js'
import type { MeasureContext } from './measure.js'

/** The same rate from ever more clients: what a message costs then. */
export async function measureGrowth({ contender, bench, sizes, note }: MeasureContext): Promise<void> {
  const running = await contender.start(bench)
  await warmUp(bench, running)
  for (const clients of sizes.growth) {
    const load = await startLoad(bench.cores, {
      ...addressOf(running),
      loop: 'open',
      identities: identitiesOf(running, clients),
      rate: sizes.rate,
      measuredMs: sizes.seconds * 1_000,
    })
    const cpu = countCpu(running.programs())
    const { acknowledgedOf } = await load.run()
    note(`grow-${clients}` as MetricName, (cpu().all / sum(acknowledgedOf)) * 1e6)
    await load.stop()
  }
  await running.stop()
}

/** Each version over each transport; 100 clients are enough to keep the core busy. */
export async function measureTransports({ contender, bench, sizes, note }: MeasureContext): Promise<void> {
  const running = await contender.start(bench)
  await warmUp(bench, running)
  for (const transport of ['tcp', 'tls', 'ws', 'wss'] as Transport[]) {
    for (const version of [4, 5] as Version[]) {
      const load = await startLoad(bench.cores, {
        loop: 'closed',
        ports: [running.ports[transport] as number],
        transport,
        version,
        identities: identitiesOf(running, TRANSPORT_CLIENTS),
        measuredMs: sizes.seconds * 500,
      })
      const cpu = countCpu(running.programs())
      const { acknowledgedOf } = await load.run()
      note(`wire-${transport}-${version}`, (cpu().all / sum(acknowledgedOf)) * 1e6)
      await load.stop()
    }
  }
  await running.stop()
}

/**
 * One node, then a second one beside it on the same Redis, each with the same load and each on its core. The load
 * and Redis take part of a core too, so the CPU of a message is compared, not what comes through.
 */
export async function measureTwoNodes({ bench, sizes, note }: MeasureContext): Promise<void> {
  const redis = await startRedisServer(join(bench.directory, 'redis'), bench.cores.redis)
  const one = await startNode(bench, redis, bench.cores.server, 'node-1')
  await warmUp(bench, one)
  note('node-one', await costPerNode([one]))
  const two = await startNode(bench, redis, bench.cores.second, 'node-2')
  await warmUp(bench, two)
  note('node-two', await costPerNode([one, two]))
  await Promise.all([one.stop(), two.stop()])
  await redis.stop()

  async function costPerNode(nodes: Pick<Running, 'ports' | 'identity' | 'broker'>[]): Promise<number> {
    const load = await startLoad(bench.cores, {
      loop: 'open',
      ports: nodes.map(({ ports }) => ports.tcp as number),
      identities: Array.from({ length: sizes.clients * nodes.length }, (_, i) => one.identity(i)),
      rate: sizes.rate * nodes.length,
      measuredMs: sizes.seconds * 1_000,
    })
    const cpu = countCpu(nodes.map((node) => node.broker()))
    const { acknowledgedOf } = await load.run()
    const cost = (cpu().all / sum(acknowledgedOf)) * 1e6
    await load.stop()
    return cost
  }
}

/** What a process compiles in its first messages is no part of what is compared. */
async function warmUp(bench: Bench, running: Pick<Running, 'ports' | 'identity'>): Promise<void> {
  const load = await startLoad(bench.cores, {
    loop: 'closed',
    ports: [running.ports.tcp as number],
    identities: Array.from({ length: TRANSPORT_CLIENTS }, (_, i) => running.identity(i)),
  })
  await load.run()
  await load.stop()
}

const TRANSPORT_CLIENTS = 100

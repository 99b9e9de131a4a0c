import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { askAgain } from './ask-again.js'
import { startRedis } from './redis.js'
import type { RedisServer } from './redis.js'
import { startRedisProxy } from './redis-proxy.js'
import type { RedisProxy } from './redis-proxy.js'

const SLOTS = 16_384

/** A master of a cluster; its `client` asks this node alone. */
export interface ClusterNode extends RedisServer {
  /** Clients are sent here. */
  proxy: RedisProxy
  /** Whether the keys with this hash tag are here. */
  holds(hashTag: string): Promise<boolean>
}

/**
 * Three masters without replicas, each with a third of the slots. `cluster-require-full-coverage no`: otherwise
 * Redis itself stops everybody when one of them is away.
 */
export async function startRedisCluster(t: Test): Promise<{ url: string; nodes: ClusterNode[] }> {
  const nodes = await Promise.all(Array.from({ length: 3 }, (_, i) => startNode(t, i)))
  for (const [i, { client }] of nodes.entries()) await client.cluster('SET-CONFIG-EPOCH', i + 1)
  // By gossip each tells the others where its clients are to go.
  const places = nodes.map(({ proxy }) => proxy.port)
  const isTold = async ({ client }: ClusterNode) =>
    (await client.cluster('SLOTS')).every(([, , master]) => places.includes(master?.[1] ?? 0))
  for (const node of nodes) while (!(await isTold(node))) await askAgain()
  for (const { client } of nodes)
    for (const { port, busPort } of nodes) await client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort)
  for (const { client } of nodes)
    while (!/cluster_state:ok[^]*cluster_slots_ok:16384[^]*cluster_size:3/.test(await client.cluster('INFO')))
      await askAgain()
  return { url: `redis+cluster://${places.map((port) => `127.0.0.1:${port}`).join(',')}`, nodes }
}

async function startNode(t: Test, index: number) {
  const [port, busPort] = [await findFreePort(), await findFreePort()]
  const proxy = await startRedisProxy(t, port)
  const [first, end] = [Math.floor((index * SLOTS) / 3), Math.floor(((index + 1) * SLOTS) / 3)]
  const settings =
    `--bind 127.0.0.1 --port ${port} --cluster-port ${busPort} --cluster-enabled yes` +
    ` --cluster-announce-port ${proxy.port}` +
    ' --cluster-require-full-coverage no --cluster-node-timeout 1000'
  const server = await startRedis(t, settings.split(' '))
  await server.client.call('CLUSTER', 'ADDSLOTSRANGE', first, end - 1)
  return {
    ...server,
    proxy,
    port,
    busPort,
    async holds(hashTag: string) {
      const slot = await server.client.cluster('KEYSLOT', `{${hashTag}}`)
      return slot >= first && slot < end
    },
  }
}

/** A port that is free now: servers that are told of each other need theirs before they start. */
export async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

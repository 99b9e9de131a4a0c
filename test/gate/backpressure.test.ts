import t from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { COLLECTS_ON_SIGNAL, readCollected, readMetrics } from '../support/metrics.js'
import { createRawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { connectBytes, publishBytes, sosPayload, telemetryPayload } from '../support/wire-packets.js'
import { openWire } from '../support/wires.js'
import type { Wire } from '../support/wires.js'

const MIB = 1024 * 1024
const CLIENTS = 2
/** 12 MiB of each client, in packets of 16 KiB: at the end in the kernel or still with the client, not in the broker. */
const MESSAGES = 768
const PACKETS = Array.from({ length: MESSAGES }, (_, n) =>
  publishBytes('tel/data', telemetryPayload(n, 'x'.repeat(16_000)), { messageId: n + 1 }),
)

t.test('while the store is slow a flood of telemetry stays with the clients that send it', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, {
    env: {
      REDIS_URL: redis.url,
      TELEMETRY_RATE: '1000000',
      TELEMETRY_BURST: '1000000',
      ...COLLECTS_ON_SIGNAL,
    },
  })
  const atStart = await held(broker)
  let stored = 0
  for (const transport of ['tcp', 'ws'] as const) {
    await t.test(`over ${transport}`, async (t) => {
      const open = async (_: unknown, n: number) => {
        const wire = await openWire(t, broker, transport)
        const client = createRawClient(t, wire.stream, 4)
        wire.sendTogether([connectBytes(broker.credentials(`${transport}-${n}`), { keepalive: 600 })])
        await client.nextOf('connack')
        return { wire, client }
      }
      const clients = await Promise.all(Array.from({ length: CLIENTS }, open))
      const before = await held(broker)
      // A table of packet numbers alone would be 6 MiB.
      if (transport === 'tcp')
        t.ok(
          before - atStart < 5 * MIB,
          `the first sessions take ${Math.round((before - atStart) / 1024)} KiB`,
        )
      // Not for long: after three seconds without an answer the broker gives the store up.
      await redis.client.call('CLIENT', 'PAUSE', '60000', 'WRITE')
      for (const { wire } of clients) for (const packet of PACKETS) wire.sendTogether([packet])
      await untilStuck(
        broker,
        clients.map(({ wire }) => wire),
      )
      const grown = (await held(broker)) - before
      await redis.client.call('CLIENT', 'UNPAUSE')

      // 24 MiB were written. 1 MiB may be under way, several times over, and each connection has some 64 KiB in each of
      // three queues.
      t.ok(grown < 12 * MIB, `the broker holds ${Math.round(grown / 1024)} KiB more than before`)

      for (const { client } of clients) {
        const acknowledged: number[] = []
        while (acknowledged.length < MESSAGES)
          acknowledged.push((await client.nextOf('puback')).messageId as number)
        t.same(
          acknowledged,
          PACKETS.map((_, n) => n + 1),
          'in the end each message is acknowledged, in order',
        )
      }
      stored += CLIENTS * MESSAGES
      t.equal(await redis.client.xlen('cb:{demo-app}:telemetry'), stored, 'and stored, once')
    })
  }
  t.equal(
    broker.log.find(({ level }) => level === 'error'),
    undefined,
  )
})

t.test('contract 3: no PUBACK while the store does not answer, and none is lost when it does', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
  const wire = await openWire(t, broker, 'tcp')
  const client = createRawClient(t, wire.stream, 4)
  wire.sendTogether([connectBytes(broker.credentials('alice'))])
  await client.nextOf('connack')
  await redis.client.call('CLIENT', 'PAUSE', '60000', 'WRITE')
  client.send(publishBytes('sos/alerts', sosPayload(), { messageId: 7 }), 'c0 00')
  t.equal((await client.next()).cmd, 'pingresp', 'a PINGRESP comes, a PUBACK does not')
  t.equal(await redis.client.hlen('cb:{demo-app}:open'), 0)
  await redis.client.call('CLIENT', 'UNPAUSE')
  t.match(await client.next(), { cmd: 'puback', messageId: 7 })
  t.equal(await redis.client.hlen('cb:{demo-app}:open'), 1)
})

/** Bytes on the heap and in buffers of the broker, garbage left out. */
async function held(broker: Broker): Promise<number> {
  const read = await readCollected(broker)
  return read('nodejs_heap_size_used_bytes') + read('nodejs_external_memory_bytes')
}

/** Resolves when the broker has answered something else five times and meanwhile has taken nothing of these. */
async function untilStuck(broker: Broker, wires: Wire[]): Promise<void> {
  const unsent = () => wires.reduce((sum, { socket }) => sum + socket.writableLength, 0)
  for (let quiet = 0, before = unsent(); quiet < 5; quiet++) {
    await readMetrics(broker)
    if (unsent() !== before) quiet = 0
    before = unsent()
  }
}

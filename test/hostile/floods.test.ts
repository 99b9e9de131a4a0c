import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker, LogLine } from '../support/broker.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import { createRawClient } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { connectBytes, publishBytes, sosPayload } from '../support/wire-packets.js'
import { openWire } from '../support/wires.js'

const FLOODERS = 6
const EACH = 200
const OF_ONE_CONNECTION = 64
const OF_ALL = 256

t.test('a flood of SOS stays with the clients that send it, and each is stored in order', async (t) => {
  const broker = await startBroker(t)
  const many = Array.from({ length: EACH }, (_, n) => sosPayload(n))
  const large = Array.from({ length: 20 }, (_, n) => padded(sosPayload(n), 20_000))
  const floods = Array.from({ length: FLOODERS }, (_, n) => ({ user: `many-${n}`, payloads: many }))
  floods.push({ user: 'large', payloads: large })
  const clients: { client: RawClient; count: number }[] = []
  for (const { user, payloads } of floods) clients.push(await flood(t, broker, user, payloads))
  for (const { client, count } of clients) {
    const acknowledged: number[] = []
    while (acknowledged.length < count) acknowledged.push((await client.nextOf('puback')).messageId as number)
    t.same(
      acknowledged,
      Array.from({ length: count }, (_, n) => n + 1),
    )
  }
  const read = await readMetrics(broker)
  t.equal(read('connect_broker_sos_under_way'), 0, 'none is under way any more')
  t.equal(read('connect_broker_messages_total', { kind: 'sos' }), FLOODERS * EACH + large.length)
  await broker.stop()

  const most = mostUnderWay(broker.log)
  const lastLogin = broker.log.findLast(({ msg }) => msg === 'login')
  t.equal(most.byUser.size, floods.length)
  for (const [userId, count] of most.byUser)
    t.ok(count <= OF_ONE_CONNECTION, `${count} of ${userId} at a time`)
  // Over that bound a connection may have one.
  t.ok(most.inAll <= OF_ALL + floods.length, `${most.inAll} of all at a time`)
  const largeOnes = most.byUser.get(lastLogin?.userId) ?? Infinity
  t.ok(largeOnes <= 4, `of 20,000 bytes each ${largeOnes} at a time: no more than 64 KiB and one`)
})

t.test(
  'what stands before the end of a connection is bounded as well, and all of it is stored',
  async (t) => {
    const broker = await startBroker(t)
    const users = ['FIN', 'DISCONNECT', 'violation']
    const payloads = Array.from({ length: EACH }, (_, n) => sosPayload(n))
    const clients = await Promise.all(
      users.map(async (user) => {
        const wire = await openWire(t, broker, 'tcp', { allowHalfOpen: true })
        const client = createRawClient(t, wire.stream, 4)
        const publications = payloads.map((payload, n) =>
          publishBytes('sos/alerts', payload, { messageId: n + 1 }),
        )
        const parts = [connectBytes(broker.credentials(user)), ...publications]
        if (user === 'FIN') wire.sendAndClose(parts)
        else wire.sendTogether([...parts, Buffer.from(user === 'DISCONNECT' ? 'e000' : '0000', 'hex')])
        return client
      }),
    )
    for (const client of clients) {
      const answers = await client.untilClosed()
      t.equal(answers.filter(({ cmd }) => cmd === 'puback').length, EACH)
    }
    const read = await readMetrics(broker)
    t.equal(read('connect_broker_messages_total', { kind: 'sos' }), users.length * EACH)
    await broker.stop()
    const { byUser } = mostUnderWay(broker.log)
    t.equal(byUser.size, users.length)
    for (const [userId, count] of byUser) t.ok(count <= OF_ONE_CONNECTION, `${count} of ${userId} at a time`)
  },
)

t.test('of a block of the smallest packets no more is held than counts as 64 KiB', async (t) => {
  const broker = await startBroker(t, { env: { TELEMETRY_RATE: '1', TELEMETRY_BURST: '1' } })
  const wire = await openWire(t, broker, 'tcp')
  const client = createRawClient(t, wire.stream, 5)
  wire.sendTogether([connectBytes(broker.credentials('alice'), { version: 5 })])
  await client.nextOf('connack')
  wire.sendTogether(
    Array.from({ length: 20_000 }, (_, n) => publishBytes('a/b', 'x', { messageId: n + 1, version: 5 })),
  )
  const held = 'connect_broker_waiting_telemetry_bytes'
  await metricsUntil(broker, (read) => read(held) > 60_000)
  for (let reading = 0; reading < 5; reading++) {
    const bytes = (await readMetrics(broker))(held)
    t.ok(bytes <= 65_536 + 256, `${bytes} bytes are held`)
  }
})

/** Logs in and sends all of them at once. */
async function flood(t: Test, broker: Broker, user: string, payloads: string[]) {
  const wire = await openWire(t, broker, 'tcp')
  const client = createRawClient(t, wire.stream, 4)
  wire.sendTogether([connectBytes(broker.credentials(user))])
  await client.nextOf('connack')
  wire.sendTogether(payloads.map((payload, n) => publishBytes('sos/alerts', payload, { messageId: n + 1 })))
  return { client, count: payloads.length }
}

function padded(json: string, length: number): string {
  return JSON.stringify({ ...(JSON.parse(json) as object), note: 'x'.repeat(length) })
}

/** How many SOS were received and not stored yet at a time, by what the log says of each. */
function mostUnderWay(log: LogLine[]) {
  const now = new Map<unknown, number>()
  const byUser = new Map<unknown, number>()
  let inAll = 0
  let nowInAll = 0
  for (const { msg, userId } of log) {
    const change = msg === 'sos received' ? 1 : msg === 'sos stored' ? -1 : 0
    if (change === 0) continue
    now.set(userId, (now.get(userId) ?? 0) + change)
    byUser.set(userId, Math.max(byUser.get(userId) ?? 0, now.get(userId) as number))
    nowInAll += change
    inAll = Math.max(inAll, nowInAll)
  }
  return { byUser, inAll }
}

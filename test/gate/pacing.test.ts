import t from 'tap'
import { startBroker } from '../support/broker.js'
import { metricsUntil } from '../support/metrics.js'
import { createRawClient } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { stopAndRead } from '../support/stopped-store.js'
import type { Stored } from '../support/stopped-store.js'
import {
  connectBytes,
  DISCONNECT,
  publishBytes,
  sosPayload,
  telemetryPayload,
} from '../support/wire-packets.js'
import { openWire } from '../support/wires.js'

const SOS_ID = 999

/** `count` telemetry messages with message ids 1…, as separate packets. */
function telemetry(count: number, padding = ''): Buffer[] {
  return Array.from({ length: count }, (_, n) =>
    publishBytes('tel/data', telemetryPayload(n + 1, padding), { messageId: n + 1 }),
  )
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1)

const TRANSPORTS = ['tcp', 'ws'] as const

t.test('telemetry that comes too fast is held, not dropped, and an SOS overtakes it', async (t) => {
  const broker = await startBroker(t, { env: { TELEMETRY_RATE: '25', TELEMETRY_BURST: '5' } })
  for (const transport of TRANSPORTS) {
    const wire = await openWire(t, broker, transport)
    const client = createRawClient(t, wire.stream, 4)
    const sos = publishBytes('sos/alerts', sosPayload(), { messageId: SOS_ID })
    wire.sendTogether([connectBytes(broker.credentials(transport)), ...telemetry(50), sos])
    const acknowledged = await readPubacks(client, 51)
    const sosAt = acknowledged.indexOf(SOS_ID)
    t.ok(
      sosAt < 25,
      `the SOS is acknowledged before most of the telemetry in front of it over ${transport}: as number ${sosAt + 1}`,
    )
    t.same(
      acknowledged.filter((id) => id !== SOS_ID),
      upTo(50),
      'each telemetry message is acknowledged, in order',
    )
  }
  const stored = await stopAndRead(broker)
  for (const transport of TRANSPORTS) {
    t.same(numbersOf(stored, transport), upTo(50), 'and stored')
    t.equal(stored.openIncident(transport)?.reports, 1)
  }
})

t.test('what will be refused is read no faster than telemetry, and an SOS overtakes it', async (t) => {
  const broker = await startBroker(t, { env: { TELEMETRY_RATE: '4', TELEMETRY_BURST: '1' } })
  const wire = await openWire(t, broker, 'tcp')
  const client = createRawClient(t, wire.stream, 5)
  const foreign = upTo(5).map((messageId) => publishBytes('a/b', 'x', { messageId, version: 5 }))
  const sos = publishBytes('sos/alerts', sosPayload(), { messageId: SOS_ID, version: 5 })
  wire.sendTogether([connectBytes(broker.credentials('alice'), { version: 5 }), ...foreign, sos])
  const answers = []
  while (answers.length < 6) answers.push(await client.nextOf('puback'))
  t.match(answers.at(-1), { messageId: 5, reasonCode: 0x87 })
  t.ok(
    answers.findIndex(({ messageId }) => messageId === SOS_ID) < 4,
    'the SOS did not wait for all that was refused',
  )
})

t.test('a large message counts as several of the rate', async (t) => {
  const broker = await startBroker(t, { env: { TELEMETRY_RATE: '1', TELEMETRY_BURST: '2' } })
  const wire = await openWire(t, broker, 'tcp')
  const client = createRawClient(t, wire.stream, 4)
  const [large] = telemetry(1, 'x'.repeat(7_000)) as [Buffer]
  const small = publishBytes('tel/data', telemetryPayload(2), { messageId: 2 })
  const sos = publishBytes('sos/alerts', sosPayload(), { messageId: SOS_ID })
  wire.sendTogether([connectBytes(broker.credentials('alice')), large, small, sos])
  const before = []
  for (let id; id !== SOS_ID; before.push(id)) id = (await client.nextOf('puback')).messageId
  t.notOk(before.includes(2), 'the small one waits, although two may come at once')
  // At the end nothing waits for its turn.
  wire.sendTogether([DISCONNECT])
  await metricsUntil(broker, (read) => read('connect_broker_sessions') === 0)
  t.same(numbersOf(await stopAndRead(broker), 'alice'), [1, 2])
})

t.test('the end of a connection loses none of the telemetry that is held', async (t) => {
  // So slow that the test would never end if anything waited for its turn.
  const broker = await startBroker(t, { env: { TELEMETRY_RATE: '1', TELEMETRY_BURST: '1' } })
  const ends = TRANSPORTS.flatMap((transport) =>
    ['DISCONNECT', 'FIN', 'reset', 'protocol violation'].map((end) => ({
      transport,
      end,
      user: `${end} over ${transport}`,
    })),
  )
  for (const { transport, end, user } of ends) {
    const wire = await openWire(t, broker, transport)
    const client = createRawClient(t, wire.stream, 4)
    wire.sendTogether([connectBytes(broker.credentials(user))])
    await client.nextOf('connack')
    const sos = publishBytes('sos/alerts', sosPayload(), { messageId: SOS_ID })
    const parts = [...telemetry(40), sos]
    if (end === 'DISCONNECT') wire.sendTogether([...parts, DISCONNECT])
    if (end === 'FIN') wire.sendAndClose(parts)
    if (end === 'protocol violation') wire.sendTogether([...parts, Buffer.from('0000', 'hex')])
    if (end === 'reset') {
      wire.sendTogether(parts)
      // Behind the telemetry that is held; when it is answered, the broker has read all of it.
      while ((await client.nextOf('puback')).messageId !== SOS_ID);
      wire.socket.resetAndDestroy()
    }
    await metricsUntil(broker, (read) => read('connect_broker_sessions') === 0)
  }
  const stored = await stopAndRead(broker)
  for (const { user } of ends) {
    t.same(numbersOf(stored, user), upTo(40), `all is stored that came before ${user}`)
    t.equal(stored.openIncident(user)?.reports, 1)
  }
})

t.test('more telemetry than is held stays with the client, and none is lost', async (t) => {
  const broker = await startBroker(t, { env: { TELEMETRY_RATE: '1000', TELEMETRY_BURST: '1' } })
  for (const transport of TRANSPORTS) {
    const wire = await openWire(t, broker, transport)
    const client = createRawClient(t, wire.stream, 4)
    // 64 KiB are held, this is five times as much, and the end of the client stands behind it.
    const parts = [connectBytes(broker.credentials(transport)), ...telemetry(600, 'x'.repeat(450))]
    const sos = publishBytes('sos/alerts', sosPayload(), { messageId: SOS_ID })
    wire.sendTogether([...parts, sos])
    t.same(
      (await readPubacks(client, 601)).toSorted((a, b) => a - b),
      [...upTo(600), SOS_ID],
      transport,
    )
  }
  const stored = await stopAndRead(broker)
  for (const transport of TRANSPORTS) t.same(numbersOf(stored, transport), upTo(600))
})

t.test('a stop of the broker loses none of the telemetry that is held', async (t) => {
  const broker = await startBroker(t, { env: { TELEMETRY_RATE: '1', TELEMETRY_BURST: '1' } })
  const wire = await openWire(t, broker, 'tcp')
  const client = createRawClient(t, wire.stream, 4)
  const sos = publishBytes('sos/alerts', sosPayload(), { messageId: SOS_ID })
  wire.sendTogether([connectBytes(broker.credentials('alice')), ...telemetry(40), sos])
  await client.take('puback', SOS_ID)
  t.same(numbersOf(await stopAndRead(broker)), upTo(40))
  const rest = await client.untilClosed()
  t.equal(rest.filter(({ cmd }) => cmd === 'puback').length, 40, 'and each is acknowledged before the end')
})

async function readPubacks(client: RawClient, count: number): Promise<number[]> {
  const ids: number[] = []
  while (ids.length < count) ids.push((await client.nextOf('puback')).messageId as number)
  return ids
}

/** The `n` of each stored telemetry message (of one user), in the order in which they were stored. */
function numbersOf({ telemetry }: Stored, user?: string): unknown[] {
  return telemetry
    .filter(({ externalUserId }) => user === undefined || externalUserId === user)
    .map(({ fields }) => fields.n)
    .toReversed()
}

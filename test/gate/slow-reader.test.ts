import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { metricsUntil } from '../support/metrics.js'
import { logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { publishBytes, sosPayload } from '../support/wire-packets.js'

/** As many events of one user wait at most for a PUBACK. */
const WINDOW = 100
/** The least that may be set; an event has some 300 bytes, so about 55 of them wait behind the window. */
const SMALL_BACKLOG = { BACKLOG_BYTES_MAX: '16384' }

for (const protocolVersion of [4, 5] as const) {
  t.test(
    `a client that never reads loses its connection, nobody else an event (${protocolVersion})`,
    async (t) => {
      const broker = await startBroker(t, { env: SMALL_BACKLOG })
      const slow = await subscribed(t, broker, 'alice', protocolVersion)
      slow.socket.pause()
      const sameUser = await subscribed(t, broker, 'alice', 4)
      const otherUser = await subscribed(t, broker, 'bob', 4)
      const reports = 300
      const [events] = await Promise.all([readEvents(sameUser, reports), report(t, broker, 'alice', reports)])
      t.same(
        events.map(({ snapshotVersion }) => snapshotVersion),
        Array.from({ length: reports }, (_, n) => n + 1),
        'another session of the same user got each event once and in order',
      )
      await report(t, broker, 'bob', 1)
      t.match(await readEvents(otherUser, 1), [{ type: 'processed', userId: 'bob' }])

      const read = await metricsUntil(
        broker,
        (read) => read('connect_broker_sessions_ended_total', { reason: 'slow-reader' }) === 1,
      )
      t.equal(read('connect_broker_sessions_ended_total'), 1, 'no other session was ended')
      t.match(await broker.logged(({ msg }) => msg === 'client does not read; its session ends'), {
        level: 'warn',
        backlogBytesMax: 16_384,
      })
      slow.socket.resume()
      const packets = await slow.untilClosed()
      t.equal(
        packets.filter(({ cmd }) => cmd === 'publish').length,
        WINDOW,
        'it was sent what it had to acknowledge',
      )
      t.match(packets.slice(WINDOW), protocolVersion === 5 ? [{ cmd: 'disconnect', reasonCode: 0x97 }] : [])
    },
  )
}

t.test('a client that never acknowledges gets 100 events, and the rest as it acknowledges', async (t) => {
  const broker = await startBroker(t)
  const client = await subscribed(t, broker, 'alice', 4)
  await report(t, broker, 'alice', 130)
  await acknowledgeStepByStep(t, client, { window: WINDOW, total: 130 })
})

t.test('[MQTT-3.3.4-9] no more events are unacknowledged than Receive Maximum', async (t) => {
  const broker = await startBroker(t)
  const client = await subscribed(t, broker, 'alice', 5, { receiveMaximum: 3 })
  await report(t, broker, 'alice', 10)
  await acknowledgeStepByStep(t, client, { window: 3, total: 10 })
})

async function acknowledgeStepByStep(
  t: Test,
  client: RawClient,
  { window, total }: { window: number; total: number },
): Promise<void> {
  const versions: number[] = []
  const waiting: number[] = []
  /** Events that come before the PINGRESP: those that were sent without a further PUBACK. */
  const readOn = async () => {
    client.sendPacket({ cmd: 'pingreq' })
    for (let packet = await client.next(); packet.cmd !== 'pingresp'; packet = await client.next()) {
      if (packet.cmd !== 'publish') continue
      versions.push((JSON.parse(packet.payload.toString()) as Event).snapshotVersion)
      waiting.push(packet.messageId as number)
    }
  }
  await readOn()
  t.equal(versions.length, window, 'so many without any PUBACK')
  client.sendPacket({ cmd: 'puback', messageId: waiting.shift() as number })
  await readOn()
  t.equal(versions.length, window + 1, 'one more for one PUBACK')
  client.sendPacket({ cmd: 'puback', messageId: 0xffff ^ (waiting[0] as number) })
  await readOn()
  t.equal(versions.length, window + 1, 'none for a PUBACK of what was never sent')
  while (waiting.length > 0) {
    for (const messageId of waiting.splice(0)) client.sendPacket({ cmd: 'puback', messageId })
    await readOn()
  }
  t.same(
    versions,
    Array.from({ length: total }, (_, n) => n + 1),
    'all of them, each once and in order',
  )
}

interface Event {
  type: string
  userId: string
  snapshotVersion: number
}

async function subscribed(
  t: Test,
  broker: Broker,
  user: string,
  protocolVersion: 4 | 5,
  properties?: object,
): Promise<RawClient> {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials(user), {
    protocolVersion,
    keepalive: 600,
    ...(properties ? { properties } : {}),
  })
  client.sendPacket({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions: [{ topic: `sos/events/${user}`, qos: 1 }],
  })
  await client.nextOf('suback')
  return client
}

/**
 * Publishes so many different reports of the user, in a session that ends when all are acknowledged. Ten at a
 * time, so that their events do not all come in one turn of the broker.
 */
async function report(t: Test, broker: Broker, user: string, count: number): Promise<void> {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials(user))
  for (let n = 1; n <= count; n++) {
    client.send(publishBytes('sos/alerts', sosPayload(n), { messageId: n }))
    if (n % 10 === 0 || n === count) while ((await client.nextOf('puback')).messageId !== n);
  }
  client.sendPacket({ cmd: 'disconnect' })
  await client.untilClosed()
}

/** Reads and acknowledges so many events. */
async function readEvents(client: RawClient, count: number): Promise<Event[]> {
  const events: Event[] = []
  while (events.length < count) {
    const { payload, messageId } = await client.nextOf('publish')
    client.sendPacket({ cmd: 'puback', messageId: messageId as number })
    events.push(JSON.parse(payload.toString()) as Event)
  }
  return events
}

import t from 'tap'
import { startBroker } from '../support/broker.js'
import { tell } from '../support/byte-table.js'
import { field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'
import { logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { sosReport, timeOf } from '../support/reports.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug', SUBSCRIPTIONS_PER_SESSION: '2' } })
const subscribe = (id: number, ...filters: [filter: string, options: number][]) =>
  packet(
    0x82,
    uint16(id),
    properties(),
    ...filters.flatMap(([filter, options]) => [field(filter), Buffer.from([options])]),
  )
const unsubscribe = (id: number, ...filters: string[]) =>
  packet(0xa2, uint16(id), properties(), ...filters.map((filter) => field(filter)))
const publish = (id: number, payload: Buffer) =>
  packet(0x32, field('sos/alerts'), uint16(id), properties(), payload)
const answer = async (client: RawClient) => tell(await client.next(), 5)

await t.test(
  'contract 3: SUBSCRIBE with options 0x09 is granted QoS 1, and the event comes with retain 0',
  async (t) => {
    const user = broker.credentials('sdk')
    const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
    client.send(subscribe(1, ['sos/events/sdk', 0x09]))
    t.equal(await answer(client), 'SUBACK 1: 01')
    client.send(publish(2, sosReport(1)))
    const event = await client.nextOf('publish')
    t.match(event, { topic: 'sos/events/sdk', qos: 1, retain: false, dup: false })
    t.match(JSON.parse(event.payload.toString()), { type: 'processed', userId: 'sdk', occurredAt: timeOf(1) })
    t.strictSame({ ...event.properties }, {}, 'no alias, no identifier')
  },
)

await t.test('[MQTT-3.8.4-6] SUBACK has a reason for each filter, in order', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), { protocolVersion: 5 })
  client.send(
    subscribe(
      3,
      ['sos/events/u', 1],
      ['sos/events/somebody', 1],
      ['#', 1],
      ['sos/events/+', 1],
      ['$SYS/#', 1],
      ['$share/g/sos/events/u', 1],
      ['sos/alerts', 1],
      ['$SYS/broker', 1],
    ),
  )
  t.equal(await answer(client), 'SUBACK 3: 01 87 a2 a2 a2 9e 87 87')
})

await t.test(
  'a filter that stands twice in one SUBSCRIBE gets its reason twice, and its events once',
  async (t) => {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials('twice'), { protocolVersion: 5 })
    client.send(
      subscribe(
        4,
        ['sos/events/twice', 0],
        ['sos/events/x', 1],
        ['sos/events/twice', 1],
        ['sos/events/x', 0],
      ),
    )
    t.equal(await answer(client), 'SUBACK 4: 01 87 01 87')
    client.send(publish(5, sosReport(1)))
    const first = await client.nextOf('publish')
    client.send(publish(6, sosReport(2)))
    const second = await client.nextOf('publish')
    t.strictSame(
      [first, second].map(
        ({ payload }) => (JSON.parse(payload.toString()) as { occurredAt: string }).occurredAt,
      ),
      [timeOf(1), timeOf(2)],
    )
  },
)

await t.test('3.1.1: a filter that stands twice gets its return code twice', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('twice'))
  client.send(
    packet(
      0x82,
      uint16(4),
      field('#'),
      hex('00'),
      field('sos/events/twice'),
      hex('00'),
      field('#'),
      hex('01'),
    ),
  )
  t.equal(tell(await client.next(), 4), 'SUBACK 4: 80 00 80')
})

await t.test(
  'a filter past SUBSCRIPTIONS_PER_SESSION gets 0x97, one that is there already does not',
  async (t) => {
    const user = broker.credentials('many other')
    const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
    client.send(
      subscribe(
        1,
        ['sos/events/many other', 1],
        ['sos/events/many%20other', 1],
        ['sos/events/m%61ny other', 1],
      ),
    )
    t.equal(await answer(client), 'SUBACK 1: 01 01 97')
    client.send(subscribe(2, ['sos/events/many other', 1]))
    t.equal(await answer(client), 'SUBACK 2: 01')
    client.send(unsubscribe(3, 'sos/events/many other'))
    t.equal(await answer(client), 'UNSUBACK 3: 00')
    client.send(subscribe(4, ['sos/events/m%61ny other', 1]))
    t.equal(await answer(client), 'SUBACK 4: 01')
  },
)

await t.test(
  '[MQTT-3.11.3-1] UNSUBACK has 0x00 for what was subscribed and 0x11 for what was not',
  async (t) => {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials('gone'), { protocolVersion: 5 })
    client.send(subscribe(1, ['sos/events/gone', 1], ['sos/#', 1]))
    t.equal(await answer(client), 'SUBACK 1: 01 a2')
    client.send(unsubscribe(2, 'sos/#', 'sos/events/gone', 'sos/events/gone', 'never'))
    t.equal(await answer(client), 'UNSUBACK 2: 11 00 11 11')
    client.send(unsubscribe(3, 'sos/events/gone'))
    t.equal(await answer(client), 'UNSUBACK 3: 11')
  },
)

await t.test(
  '[MQTT-3.10.4-2] after UNSUBACK no event comes, after a new SUBSCRIBE they come again',
  async (t) => {
    const user = broker.credentials('back')
    const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
    const witness = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
    for (const one of [client, witness]) {
      one.send(subscribe(1, ['sos/events/back', 0]))
      t.equal(await answer(one), 'SUBACK 1: 00')
    }
    client.send(unsubscribe(2, 'sos/events/back'))
    t.equal(await answer(client), 'UNSUBACK 2: 00')
    witness.send(publish(3, sosReport(1)))
    // Sessions are served oldest first, so what the client was to get went out before this.
    t.equal((await witness.nextOf('publish')).qos, 0)
    client.send(subscribe(4, ['sos/events/back', 1]))
    t.equal(await answer(client), 'SUBACK 4: 01', 'and no event before it')
    client.send(publish(5, sosReport(2)))
    const event = await client.nextOf('publish')
    t.match(JSON.parse(event.payload.toString()), { occurredAt: timeOf(2) })
  },
)

await t.test('[MQTT-3.8.4-8] the QoS of an event is at most the one that was granted last', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('qos'), { protocolVersion: 5 })
  for (const qos of [2, 0, 1]) {
    client.send(subscribe(10 + qos, ['sos/events/qos', qos]))
    t.equal(await answer(client), `SUBACK ${10 + qos}: 0${qos}`)
    client.send(publish(20 + qos, sosReport(qos)))
    const event = await client.nextOf('publish')
    t.equal(event.qos, Math.min(qos, 1), `granted ${qos}`)
    if (event.qos > 0) client.send(packet(0x40, uint16(event.messageId as number)))
  }
})

import t from 'tap'
import { startBroker } from '../support/broker.js'
import { tell } from '../support/byte-table.js'
import { field, packet, properties, uint16 } from '../support/packet-bytes.js'
import { logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { sosReport, timeOf } from '../support/reports.js'

const redis = await startRedis(t)
const stores = {
  embedded: await startBroker(t, { env: { LOG_LEVEL: 'debug' } }),
  redis: await startBroker(t, { env: { REDIS_URL: redis.url, LOG_LEVEL: 'debug' } }),
}

for (const [store, broker] of Object.entries(stores)) {
  for (const protocolVersion of [4, 5] as const) {
    const none = protocolVersion === 5 ? properties() : Buffer.alloc(0)
    const about = `${store}, version ${protocolVersion}`
    const publish = (id: number, second: number, { isDup = false, topic = 'sos/alerts' } = {}) =>
      packet(isDup ? 0x3c : 0x34, field(topic), uint16(id), none, sosReport(second))
    const pubrel = (id: number) => packet(0x62, uint16(id))
    const answer = async (client: RawClient) => tell(await client.next(), protocolVersion)

    await t.test(
      `[MQTT-4.3.3-2] a publication that comes again before PUBREL counts once (${about})`,
      async (t) => {
        const name = `again-${protocolVersion}`
        const user = broker.credentials(name)
        const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion })
        const witness = await logIn(t, broker.ports.mqtt, user)
        witness.sendPacket({
          cmd: 'subscribe',
          messageId: 1,
          subscriptions: [{ topic: `sos/events/${name}`, qos: 0 }],
        })
        await witness.nextOf('suback')
        client.send(publish(9, 1))
        t.equal(await answer(client), 'PUBREC 9')
        // Were it handled, the other timestamp would make an event of its own.
        client.send(publish(9, 2, { isDup: true }))
        t.equal(await answer(client), 'PUBREC 9')
        client.send(pubrel(9))
        t.equal(await answer(client), 'PUBCOMP 9')
        client.send(publish(9, 3))
        t.equal(await answer(client), 'PUBREC 9')
        client.send(pubrel(9))
        t.equal(await answer(client), 'PUBCOMP 9')
        const events = [await witness.nextOf('publish'), await witness.nextOf('publish')]
        t.strictSame(
          events.map(({ payload }) => (JSON.parse(payload.toString()) as { occurredAt: string }).occurredAt),
          [timeOf(1), timeOf(3)],
        )
      },
    )

    await t.test(
      `the same publication twice in one segment gets its PUBREC and counts once (${about})`,
      async (t) => {
        const client = await logIn(t, broker.ports.mqtt, broker.credentials('segment'), { protocolVersion })
        client.send(Buffer.concat([publish(9, 1), publish(9, 1, { isDup: true }), pubrel(9), packet(0xc0)]))
        const seen = [await answer(client), await answer(client), await answer(client)]
        t.strictSame(seen.toSorted(), ['PINGRESP', 'PUBCOMP 9', 'PUBREC 9'])
      },
    )

    await t.test(
      `a publication that is never released does not outlive its connection (${about})`,
      async (t) => {
        const user = broker.credentials('half')
        const first = await logIn(t, broker.ports.mqtt, user, { protocolVersion, clientId: 'same' })
        first.send(publish(9, 1))
        t.equal(await answer(first), 'PUBREC 9')
        first.send(packet(0xe0))
        await first.untilClosed()
        const second = await logIn(t, broker.ports.mqtt, user, { protocolVersion, clientId: 'same' })
        second.send(pubrel(9))
        t.equal(await answer(second), protocolVersion === 5 ? 'PUBCOMP 9 0x92' : 'PUBCOMP 9')
      },
    )
  }

  await t.test(
    `[MQTT-4.3.3-8] PUBREC 0x87 ends the exchange and the identifier is free again (${store})`,
    async (t) => {
      const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), { protocolVersion: 5 })
      const publish = (topic: string) => packet(0x34, field(topic), uint16(9), properties(), sosReport(4))
      // Often: the end of one exchange inside the broker may come after the start of the next.
      for (let i = 0; i < 50; i++) {
        client.send(publish('sos/alerts/somebody'))
        const pubrec = await client.nextOf('pubrec')
        t.match(pubrec, { messageId: 9, reasonCode: 0x87, properties: { reasonString: /topic/ } })
      }
      client.send(publish('sos/alerts'))
      t.equal(tell(await client.next(), 5), 'PUBREC 9')
      client.send(packet(0x62, uint16(9)))
      t.equal(tell(await client.next(), 5), 'PUBCOMP 9')
      client.send(packet(0xc0))
      t.equal(tell(await client.next(), 5), 'PINGRESP', 'and nothing more about the refused ones')
    },
  )

  await t.test(`PUBREL for an identifier that is not in use gets PUBCOMP 0x92 (${store})`, async (t) => {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), { protocolVersion: 5 })
    client.send(packet(0x62, uint16(77)))
    t.equal(tell(await client.next(), 5), 'PUBCOMP 77 0x92')
    client.send(packet(0x34, field('sos/alerts'), uint16(77), properties(), sosReport(6)))
    t.equal(tell(await client.next(), 5), 'PUBREC 77')
    client.send(packet(0x62, uint16(77)))
    t.equal(tell(await client.next(), 5), 'PUBCOMP 77')
    client.send(packet(0x62, uint16(77)))
    t.equal(tell(await client.next(), 5), 'PUBCOMP 77 0x92')
  })
}

import t from 'tap'
import { startBroker } from '../support/broker.js'
import { logIn } from '../support/raw-client.js'
import { connectPhone, createPhone } from '../support/phone.js'
import { startRedis } from '../support/redis.js'

const G2 = {
  timestamp: '2026-05-01T10:00:00.123456Z',
  deviceId: '305419896',
  hardwareId: 'CF:82:00:00:00:01',
  nodeId: 305419896,
  originatorNodeId: 305419896,
  relayNodeId: 7,
  triggerSource: 'own_device',
  message: 'Hilfe, ich bin am Ätna',
}

/** No key, however deep, that an older client would take for an acknowledgement by radio. */
function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)])
}

for (const store of ['embedded', 'redis']) {
  t.test(`with the ${store} store`, async (t) => {
    const broker = await startBroker(t, {
      env: store === 'redis' ? { REDIS_URL: (await startRedis(t)).url } : {},
    })
    const { mqtt } = broker.ports

    for (const version of [3, 4, 5] as const) {
      t.test(
        `contract 7: a report brings one processed copy on each form of the topic, version ${version}`,
        async (t) => {
          const phone = await connectPhone(t, mqtt, broker.credentials(`Zoë 日本 😀 ${version}`), { version })
          await phone.subscribe(phone.uuidTopic, phone.externalTopic)
          await phone.publish('sos/alerts', G2)
          const [uuid, external] = [await phone.nextEvent(), await phone.nextEvent()]

          const { eventId, incidentId } = uuid.event
          t.match(eventId, /^\S{8,}$/)
          t.match(incidentId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
          const both = {
            eventId,
            type: 'processed',
            appId: 'demo-app',
            incidentId,
            occurredAt: '2026-05-01T10:00:00.123456Z',
            snapshotVersion: 1,
            actuators: [],
          }
          t.equal(uuid.topic, phone.uuidTopic)
          t.strictSame(uuid.event, { ...both, userId: phone.user.userId, status: 'active' })
          t.equal(external.topic, phone.externalTopic)
          t.strictSame(
            external.event,
            { ...both, userId: phone.user.externalUserId },
            'without status or state',
          )

          for (const { packet, event } of [uuid, external]) {
            t.match(packet, { qos: 1, retain: false, dup: false })
            t.match(packet.payload.toString('latin1'), /^[\x20-\x7e]+$/, 'pure ASCII')
            t.notMatch(keysOf(event).join(' '), /node|ack_?type|updatedAt|openedAt|state\b/i)
          }
        },
      )
    }

    t.test(
      'contract 7: every report brings an event of its own, in order, about the same incident',
      async (t) => {
        const phone = await connectPhone(t, mqtt, broker.credentials('again'))
        await phone.subscribe(phone.uuidTopic)
        const times = ['2026-05-01T10:00:00Z', '2026-05-01T12:00:01.5+02:00', '2026-05-01T09:00:00.000Z']
        for (const timestamp of times) await phone.publish(`sos/alerts/${phone.user.userId}`, { timestamp })
        const events = [await phone.nextEvent(), await phone.nextEvent(), await phone.nextEvent()].map(
          ({ event }) => event,
        )
        t.same(
          events.map(({ occurredAt }) => occurredAt),
          times,
          'byte for byte as the phone wrote it',
        )
        t.same(
          events.map(({ snapshotVersion }) => snapshotVersion),
          [1, 2, 3],
        )
        t.equal(new Set(events.map(({ incidentId }) => incidentId)).size, 1)
        t.equal(new Set(events.map(({ eventId }) => eventId)).size, 3)
      },
    )

    t.test(
      'contract 7: each event comes exactly once per session and filter, however often it was subscribed',
      async (t) => {
        const credentials = broker.credentials('once')
        const [phone, tablet] = [
          await connectPhone(t, mqtt, credentials),
          await connectPhone(t, mqtt, credentials),
        ]
        for (let i = 0; i < 3; i++)
          await phone.subscribe(phone.uuidTopic, phone.externalTopic, phone.uuidTopic)
        await tablet.subscribe(tablet.uuidTopic)
        const times = ['2026-05-01T10:00:00.000Z', '2026-05-01T10:00:01.000Z']
        for (const timestamp of times) await phone.publish('sos/alerts', { timestamp })
        const heard = []
        for (let i = 0; i < 4; i++) {
          const { topic, event } = await phone.nextEvent()
          heard.push(`${topic} ${String(event.occurredAt)}`)
        }
        t.same(
          heard,
          times.flatMap((time) => [`${phone.uuidTopic} ${time}`, `${phone.externalTopic} ${time}`]),
        )
        for (const occurredAt of times) t.match((await tablet.nextEvent()).event, { occurredAt })
      },
    )

    t.test('contract 7: after UNSUBSCRIBE no event comes under that filter', async (t) => {
      const phone = await connectPhone(t, mqtt, broker.credentials('leaver'))
      await phone.subscribe(phone.uuidTopic, phone.externalTopic)
      await phone.unsubscribe(phone.uuidTopic)
      for (const timestamp of ['2026-05-01T10:00:00.000Z', '2026-05-01T10:00:01.000Z']) {
        await phone.publish('sos/alerts', { timestamp })
        t.match(await phone.nextEvent(), { topic: phone.externalTopic, event: { occurredAt: timestamp } })
      }
    })

    for (const qos of [0, 2] as const) {
      t.test(`contract 7: an SOS of QoS ${qos} is processed as well`, async (t) => {
        const credentials = broker.credentials(`qos-${qos}`)
        const raw = await logIn(t, mqtt, credentials, { protocolVersion: 5 })
        const listener = await connectPhone(t, mqtt, credentials)
        await listener.subscribe(listener.uuidTopic)
        const payload = JSON.stringify({ timestamp: '2026-05-01T10:00:00.000Z' })
        raw.sendPacket({
          cmd: 'publish',
          topic: 'sos/alerts',
          payload,
          qos,
          dup: false,
          retain: false,
          messageId: 3,
        })
        t.match((await listener.nextEvent()).event, { type: 'processed', status: 'active' })
        const sender = createPhone(raw, credentials)
        t.same(await sender.subscribe(sender.uuidTopic), [1], 'the sender goes on')
      })
    }
  })
}

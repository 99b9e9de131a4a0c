import t from 'tap'
import type { LifecycleEvent } from '../../store/store.js'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import type { Phone } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { openOtherNode, openStoreOf } from '../support/stored.js'

type Tap = Parameters<typeof connectPhone>[0]

async function connect(t: Tap, broker: Broker, who: string): Promise<Phone> {
  const phone = await connectPhone(t, broker.ports.mqtt, broker.credentials(who))
  await phone.subscribe(phone.uuidTopic)
  return phone
}

for (const name of ['embedded', 'redis']) {
  t.test(`with the ${name} store`, async (t) => {
    const redis = name === 'redis' ? await startRedis(t) : null
    const broker = await startBroker(t, { env: redis ? { REDIS_URL: redis.url } : {} })
    const users: Phone['user'][] = []

    const repeats: [what: string, first: string, same: string][] = [
      ['the same text', '2026-05-01T10:00:00.123Z', '2026-05-01T10:00:00.123Z'],
      ['3 and 6 fraction digits', '2026-05-01T10:00:00.123Z', '2026-05-01T10:00:00.123000Z'],
      ['no fraction and zeros', '2026-05-01T10:00:00Z', '2026-05-01T10:00:00.000Z'],
      ['UTC and an offset', '2026-05-01T10:00:00.5Z', '2026-05-01T12:00:00.500+02:00'],
      ['UTC and no zone', '2026-05-01T10:00:00Z', '2026-05-01T10:00:00'],
    ]
    for (const [what, first, same] of repeats) {
      t.test(`contract 5: one time, written as ${what}, is one report and one event`, async (t) => {
        const phone = await connect(t, broker, what)
        users.push(phone.user)
        for (const timestamp of [first, same, same, '2026-05-01T10:00:07Z'])
          t.equal(await phone.publish('sos/alerts', { timestamp }), 0)
        const [one, next] = [await phone.nextEvent(), await phone.nextEvent()]
        t.equal(one.event.occurredAt, first)
        t.equal(next.event.occurredAt, '2026-05-01T10:00:07Z', 'no event in between')
        t.same([one.event.snapshotVersion, next.event.snapshotVersion], [1, 2])
      })
    }

    t.test('contract 5: times a microsecond apart are two reports', async (t) => {
      const phone = await connect(t, broker, 'microsecond')
      users.push(phone.user)
      for (const digit of [6, 7])
        await phone.publish('sos/alerts', { timestamp: `2026-05-01T10:00:00.12345${digit}Z` })
      const [one, next] = [await phone.nextEvent(), await phone.nextEvent()]
      t.equal(one.event.incidentId, next.event.incidentId)
    })

    t.test('contract 5: an older time still counts: clocks are set back', async (t) => {
      const phone = await connect(t, broker, 'set back')
      users.push(phone.user)
      for (const timestamp of ['2026-05-01T10:00:00Z', '2020-01-01T00:00:00Z']) {
        await phone.publish('sos/alerts', { timestamp, latitude: 1, longitude: 2 })
        t.match((await phone.nextEvent()).event, { type: 'processed', occurredAt: timestamp })
      }
    })

    t.test('contract 5: reports without a usable time are never taken for repeats', async (t) => {
      const phone = await connect(t, broker, 'timeless')
      for (let i = 1; i <= 3; i++) {
        await phone.publish('sos/alerts', { latitude: 1, longitude: 2 })
        t.match((await phone.nextEvent()).event, { type: 'processed', snapshotVersion: i })
      }
    })

    t.test('contract 5: the same time of two users is two reports', async (t) => {
      const phones = [await connect(t, broker, 'one of two'), await connect(t, broker, 'two of two')]
      const ids = new Set<unknown>()
      for (const phone of phones) {
        await phone.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00Z' })
        ids.add((await phone.nextEvent()).event.incidentId)
      }
      t.equal(ids.size, 2)
    })

    t.test(
      'contract 5: 200 reports at once over four sessions are one incident with 200 reports',
      async (t) => {
        const phones: Phone[] = []
        for (let i = 0; i < 4; i++) phones.push(await connect(t, broker, 'crowd'))
        const times = Array.from({ length: 200 }, (_, i) => new Date(Date.UTC(2026, 4, 1) + i).toISOString())
        const codes = await Promise.all(
          times.map((timestamp, i) => (phones[i % 4] as Phone).publish('sos/alerts', { timestamp })),
        )
        t.same(new Set(codes), new Set([0]))
        for (const phone of phones) {
          const events = []
          while (events.length < 200) events.push((await phone.nextEvent()).event)
          t.equal(new Set(events.map(({ incidentId }) => incidentId)).size, 1, 'one incident')
          t.same(events.map(({ occurredAt }) => occurredAt).toSorted(), times, 'every report once')
          t.same(
            events.map(({ snapshotVersion }) => snapshotVersion),
            times.map((_, i) => i + 1),
            'in the order of the log',
          )
        }
      },
    )

    t.test(
      'contract 5: and the store holds one open incident per user, with each report counted once',
      async (t) => {
        const crowd = (await connect(t, broker, 'crowd')).user
        const store = redis ? await openOtherNode(t, redis.url) : await openStoreOf(t, broker)
        t.match(await store.incidents.readOpen(crowd), { status: 'active', reports: 200, version: 200 })
        for (const user of users) t.match(await store.incidents.readOpen(user), { reports: 2, version: 2 })
        const events = (await store.events.readLatest('demo-app', 1_000)) as LifecycleEvent[]
        t.equal(events.length, 200 + users.length * 2 + 3 + 2)
        t.equal(new Set(events.map(({ eventId }) => eventId)).size, events.length)
      },
    )
  })
}

import t from 'tap'
import { startBroker } from '../support/broker.js'
import { connectPhone, encodeAsDart } from '../support/phone.js'
import type { Phone, Version } from '../support/phone.js'
import { openStoreOf } from '../support/stored.js'

const broker = await startBroker(t)
const { mqtt } = broker.ports
const VERSIONS: Version[] = [3, 4, 5]
let reports = 0

/** A new time for each report, so that none is a repeat. */
function nextTime(): string {
  return new Date(Date.UTC(2026, 4, 1) + 1000 * reports++).toISOString()
}

/** Raises under this topic and checks that the event comes under every filter, once, in order. */
async function raise(t: Tap, phone: Phone, topicName: string, filters: string[]): Promise<void> {
  const occurredAt = nextTime()
  t.equal(
    await phone.publish(topicName, { timestamp: occurredAt, latitude: 41.4, longitude: 2.2 }),
    0,
    topicName,
  )
  for (const topicFilter of filters) {
    const { topic, event } = await phone.nextEvent()
    const id = topicFilter === phone.uuidTopic ? phone.user.userId : phone.user.externalUserId
    t.match({ topic, ...event }, { topic: topicFilter, type: 'processed', userId: id, occurredAt })
  }
}
type Tap = Parameters<typeof connectPhone>[0]

for (const version of VERSIONS) {
  t.test(
    `contract 4: every own form of a topic is allowed, and events come under the literal filter, version ${version}`,
    async (t) => {
      const phone = await connectPhone(t, mqtt, broker.credentials(`partner/user 42 v${version}`), {
        version,
      })
      const own = encodeAsDart(phone.user.externalUserId)
      const lower = own.replaceAll(/%../g, (escape) => escape.toLowerCase())
      const escapedSpace = `partner%2fuser 42 v${version}`
      t.not(own, lower)
      const filters = [
        phone.uuidTopic,
        `sos/events/${own}`,
        `sos/events/${lower}`,
        `sos/events/${escapedSpace}`,
      ]
      for (const topicFilter of filters) t.same(await phone.subscribe(topicFilter), [1], topicFilter)

      const names = [phone.user.userId, own, lower, escapedSpace]
      for (const topicName of ['sos/alerts', ...names.map((name) => `sos/alerts/${name}`)])
        await raise(t, phone, topicName, filters)
      for (const topicName of ['tel/data', ...names.map((name) => `tel/${name}/data`)])
        t.equal(
          await phone.publish(topicName, { timestamp: nextTime(), latitude: 1, longitude: 2 }),
          0,
          topicName,
        )
    },
  )
}

// External ids as partners have them; contract 2: any character.
const IDS = [
  'user:7:b',
  ':',
  'carol@example.com',
  'Zoë Müller',
  '日本の利用者',
  'team 😀',
  'a+b#c',
  '+',
  '#',
  '100%',
  '%2F',
  '$SYS',
  "!~*'()",
  'Bearer x',
  '../alice',
  '//',
  'x'.repeat(240),
]

for (const [i, externalUserId] of IDS.entries()) {
  const version = VERSIONS[i % 3] as Version
  t.test(
    `contract 2: a user called ${externalUserId.slice(0, 20)} logs in and hears himself, version ${version}`,
    async (t) => {
      const phone = await connectPhone(t, mqtt, broker.credentials(externalUserId), { version })
      const filters = [phone.uuidTopic, phone.externalTopic]
      t.same(await phone.subscribe(...filters), [1, 1])
      await raise(t, phone, 'sos/alerts', filters)
      await raise(t, phone, `sos/alerts/${encodeAsDart(externalUserId)}`, filters)
      t.equal(await phone.publish(`tel/${encodeAsDart(externalUserId)}/data`, { timestamp: nextTime() }), 0)
    },
  )
}

t.test('contract 4: a raw external id is allowed where it is one level and no wildcard', async (t) => {
  for (const externalUserId of ['carol@example.com', 'Zoë Müller', 'user:7', '100%', 'team 😀', '%2F']) {
    const phone = await connectPhone(t, mqtt, broker.credentials(`raw ${externalUserId}`))
    const topicFilter = `sos/events/raw ${externalUserId}`
    t.same(await phone.subscribe(topicFilter), [1])
    await raise(t, phone, `sos/alerts/raw ${externalUserId}`, [topicFilter])
  }
})

t.test('contract 2: a user with any id that may log in may subscribe to it as Dart encodes it', async (t) => {
  const phone = await connectPhone(t, mqtt, broker.credentials('利用者番号'.repeat(6)))
  t.same(await phone.subscribe(phone.uuidTopic, phone.externalTopic), [1, 1])
})

t.test('contract 4: whatever topic it came by, everything was stored for the sender', async (t) => {
  const phone = await connectPhone(t, mqtt, broker.credentials('partner/user 42 v5'))
  const store = await openStoreOf(t, broker)
  t.match(await store.incidents.readOpen(phone.user), { reports: 5, status: 'active' })
  const telemetry = await store.telemetry.readLatest('demo-app', 1_000)
  const own = telemetry.filter(({ userId }) => userId === phone.user.userId)
  t.equal(own.length, 5)
  t.match(own[0], { externalUserId: 'partner/user 42 v5', position: { latitude: 1, longitude: 2 } })
})

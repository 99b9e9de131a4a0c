import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { startBroker } from '../support/broker.js'
import { logIn } from '../support/raw-client.js'
import { connectPhone, encodeAsDart } from '../support/phone.js'
import { openStoreOf } from '../support/stored.js'

const broker = await startBroker(t)
const { mqtt } = broker.ports
const alice = createUser({ appId: 'demo-app', externalUserId: 'alice' })
const bob = createUser({ appId: 'demo-app', externalUserId: 'bob/2' })
const twin = createUser({ appId: 'other-app', externalUserId: 'alice' })

// Topic filter and what 5.0 is told; 3.1 and 3.1.1 hear 0x80.
const FILTERS: [string, number][] = [
  [`sos/events/${bob.userId}`, 0x87],
  [`sos/events/${encodeAsDart(bob.externalUserId)}`, 0x87],
  [`sos/events/${bob.externalUserId}`, 0x87],
  [`sos/events/${twin.userId}`, 0x87],
  [`sos/events/${alice.userId.toUpperCase()}`, 0x87],
  ['sos/events/+', 0xa2],
  ['sos/events/#', 0xa2],
  ['sos/+/alice', 0xa2],
  ['+/+/+', 0xa2],
  ['#', 0xa2],
  ['$SYS/#', 0xa2],
  ['$SYS/broker/uptime', 0x87],
  ['$share/group/sos/events/alice', 0x9e],
  [`$share/group/sos/events/${alice.userId}`, 0x9e],
  ['$share/group/#', 0x9e],
  ['sos/events', 0x87],
  ['sos/events/', 0x87],
  ['sos/events/alice/', 0x87],
  ['sos/events/alice/more', 0x87],
  ['/sos/events/alice', 0x87],
  ['sos//events/alice', 0x87],
  ['sos/events/alice ', 0x87],
  ['sos/events/Alice', 0x87],
  ['sos/events/alice%', 0x87],
  ['sos/events/%00', 0x87],
  ['SOS/events/alice', 0x87],
  ['sos/alerts', 0x87],
  ['sos/alerts/alice', 0x87],
  ['tel/alice/data', 0x87],
  ['tel/data', 0x87],
  ['alice', 0x87],
]

for (const version of [3, 4, 5] as const) {
  t.test(`contract 4: every filter that is not an own one is refused, version ${version}`, async (t) => {
    const phone = await connectPhone(t, mqtt, broker.credentials('alice'), { version })
    for (const [topicFilter, reasonCode] of FILTERS)
      t.same(await phone.subscribe(topicFilter), [version === 5 ? reasonCode : 0x80], topicFilter)
    t.same(
      await phone.subscribe('sos/events/alice', '#', phone.uuidTopic, `sos/events/${bob.userId}`),
      version === 5 ? [1, 0xa2, 1, 0x87] : [1, 0x80, 1, 0x80],
      'one code for each filter of a SUBSCRIBE, in its order',
    )
  })
}

const TOPICS = [
  `sos/alerts/${bob.userId}`,
  `sos/alerts/${encodeAsDart(bob.externalUserId)}`,
  'sos/alerts/bob/2',
  `sos/alerts/${twin.userId}`,
  'sos/alerts/',
  'sos/alerts/alice/',
  'sos/alerts/Alice',
  'sos/alertsalice',
  'sos/alerts2',
  '/sos/alerts',
  'SOS/alerts',
  'sos',
  `sos/events/${alice.userId}`,
  'sos/events/alice',
  `tel/${bob.userId}/data`,
  `tel/${encodeAsDart(bob.externalUserId)}/data`,
  'tel//data',
  'tel/alice/data/',
  'tel/alice',
  'tel/data/alice',
  'telemetry/data',
  '$SYS/broker/uptime',
  '$share/group/sos/alerts',
  'anything',
]
const REPORT = { timestamp: '2026-05-01T10:00:00.000Z', latitude: 1, longitude: 2, userId: bob.userId }

t.test(
  'contract 4: a publish to any other topic gets PUBACK 0x87 in 5.0, and the session goes on',
  async (t) => {
    const phone = await connectPhone(t, mqtt, broker.credentials('alice'))
    for (const topicName of TOPICS) t.equal(await phone.publish(topicName, REPORT), 0x87, topicName)
    t.same(await phone.subscribe(phone.uuidTopic), [1])
  },
)

t.test('contract 4: a publish of QoS 2 to another topic gets PUBREC 0x87 in 5.0', async (t) => {
  const raw = await logIn(t, mqtt, broker.credentials('alice'), { protocolVersion: 5 })
  const topic = `sos/alerts/${bob.userId}`
  raw.sendPacket({ cmd: 'publish', topic, payload: '{}', qos: 2, dup: false, retain: false, messageId: 9 })
  t.match(await raw.next(), { cmd: 'pubrec', messageId: 9, reasonCode: 0x87 })
})

for (const version of [3, 4] as const) {
  t.test(
    `contract 4: a publish to any other topic closes the connection unanswered, version ${version}`,
    async (t) => {
      for (const topic of TOPICS) {
        const raw = await logIn(t, mqtt, broker.credentials('alice'), { protocolVersion: version })
        raw.sendPacket({
          cmd: 'publish',
          topic,
          payload: JSON.stringify(REPORT),
          qos: 1,
          dup: false,
          retain: false,
          messageId: 9,
        })
        t.same(await raw.untilClosed(), [], topic)
      }
    },
  )
}

t.test('contract 4: none of it was stored, for the sender or for whom it named', async (t) => {
  const store = await openStoreOf(t, broker)
  for (const user of [alice, bob, twin]) t.equal(await store.incidents.readOpen(user), null)
  t.same(await store.events.readLatest('demo-app', 10), [])
  t.same(await store.telemetry.readLatest('demo-app', 10), [])
})

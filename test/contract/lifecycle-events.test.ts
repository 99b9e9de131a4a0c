import { randomUUID } from 'node:crypto'
import t from 'tap'
import { acknowledge, close } from '../../handlers/incident-rules.js'
import type { Stamp } from '../../handlers/incident-rules.js'
import { startBroker } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import type { Phone, Version } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { openOtherNode } from '../support/stored.js'

// Another node on the same Redis changes the incident; the broker under test tells the phone.
const redis = await startRedis(t)
const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
const { incidents } = await openOtherNode(t, redis.url)
const { mqtt } = broker.ports

let second = 0
const nextTime = () => `2026-05-01T10:00:${String(second++).padStart(2, '0')}.000Z`
const stampAt = (now: string): Stamp => ({
  now: new Date(now),
  incidentId: randomUUID(),
  eventId: randomUUID(),
})
const AT = '2026-05-01T10:07:00.000Z'

async function connect(t: Tap, externalUserId: string, version: Version = 5): Promise<Phone> {
  const phone = await connectPhone(t, mqtt, broker.credentials(externalUserId), { version })
  await phone.subscribe(phone.uuidTopic, phone.externalTopic)
  return phone
}
type Tap = Parameters<typeof connectPhone>[0]

/** Reports and takes both copies of its event; resolves with the one on the UUID form. */
async function report(phone: Phone, timestamp: string): Promise<Record<string, unknown>> {
  await phone.publish('sos/alerts', { timestamp })
  const { event } = await phone.nextEvent()
  await phone.nextEvent()
  return event
}

for (const version of [4, 5] as Version[]) {
  for (const status of ['acknowledged', 'cancelled', 'resolved'] as const) {
    t.test(
      `contract 7: ${status} is told once on each form, with type, status and updatedAt, version ${version}`,
      async (t) => {
        const phone = await connect(t, `${status}-${version}`, version)
        const { incidentId } = await report(phone, nextTime())
        const stamp = stampAt(AT)
        const outcome =
          status === 'acknowledged'
            ? await incidents.change(phone.user, [], acknowledge(stamp))
            : await incidents.change(phone.user, [], close(status, stamp))
        t.match(outcome, { incident: { incidentId, status } })

        const both = {
          eventId: stamp.eventId,
          type: status,
          status,
          appId: 'demo-app',
          incidentId,
          updatedAt: AT,
          ...(status === 'acknowledged' ? {} : { [`${status}At`]: AT }),
        }
        const [uuid, external] = [await phone.nextEvent(), await phone.nextEvent()]
        t.equal(uuid.topic, phone.uuidTopic)
        t.strictSame(uuid.event, { ...both, userId: phone.user.userId })
        t.equal(external.topic, phone.externalTopic)
        t.strictSame(external.event, { ...both, userId: phone.user.externalUserId })
        for (const { packet } of [uuid, external]) t.match(packet, { qos: 1, retain: false })
      },
    )
  }
}

t.test(
  'contract 8: a second acknowledgement is no second event, and a report after it says acknowledged',
  async (t) => {
    const phone = await connect(t, 'acknowledged twice')
    const { incidentId } = await report(phone, nextTime())
    const first = await incidents.change(phone.user, [], acknowledge(stampAt(AT)))
    const second = await incidents.change(phone.user, [], acknowledge(stampAt('2026-05-01T10:08:00.000Z')))
    t.match([first.is, second.is], ['acknowledged', 'already'])
    t.match((await phone.nextEvent()).event, { type: 'acknowledged', updatedAt: AT })
    t.match((await phone.nextEvent()).event, { type: 'acknowledged', updatedAt: AT })

    const timestamp = nextTime()
    await phone.publish('sos/alerts', { timestamp, latitude: 41.4, longitude: 2.2 })
    const [uuid, external] = [await phone.nextEvent(), await phone.nextEvent()]
    t.match(uuid.event, { type: 'processed', status: 'acknowledged', incidentId, occurredAt: timestamp })
    t.match(external.event, { type: 'processed', incidentId, occurredAt: timestamp })
    t.notOk('status' in external.event, 'the external copy of processed has no status')
    t.match(await incidents.readOpen(phone.user), {
      status: 'acknowledged',
      acknowledgedAt: AT,
      reports: 2,
      report: { position: { latitude: 41.4 } },
    })
  },
)

for (const status of ['cancelled', 'resolved'] as const) {
  t.test(
    `contract 8: after ${status} the next report opens a new incident, a repeat opens nothing`,
    async (t) => {
      const phone = await connect(t, `${status} and again`)
      const counted = nextTime()
      const { incidentId } = await report(phone, counted)
      await incidents.change(phone.user, [], acknowledge(stampAt(AT)))
      await incidents.change(phone.user, [], close(status, stampAt(AT)))
      for (const type of ['acknowledged', 'acknowledged', status, status])
        t.match((await phone.nextEvent()).event, { type, incidentId })
      t.equal(await incidents.readOpen(phone.user), null)

      t.equal(await phone.publish('sos/alerts', { timestamp: counted }), 0, 'a repeat is acknowledged')
      t.equal(await incidents.readOpen(phone.user), null, 'and opens nothing')
      t.match(await incidents.read('demo-app', String(incidentId)), { status, reports: 1 })

      const event = await report(phone, nextTime())
      t.match(
        event,
        { type: 'processed', status: 'active', snapshotVersion: 1 },
        'no event came for the repeat',
      )
      t.not(event.incidentId, incidentId)
      t.match(await incidents.readOpen(phone.user), { incidentId: event.incidentId, reports: 1 })
    },
  )

  t.test(
    `contract 5: a report that lies before a ${status} incident's last one still opens a new one`,
    async (t) => {
      const phone = await connect(t, `${status}, clock set back`)
      const { incidentId } = await report(phone, nextTime())
      await incidents.change(phone.user, [], close(status, stampAt(AT)))
      for (const type of [status, status]) t.match((await phone.nextEvent()).event, { type })
      const event = await report(phone, '2026-04-30T00:00:00.000Z')
      t.match(event, { type: 'processed', occurredAt: '2026-04-30T00:00:00.000Z' })
      t.not(event.incidentId, incidentId)
    },
  )
}

t.test('contract 8: closing when none is open changes nothing and is no event', async (t) => {
  const phone = await connect(t, 'calm')
  for (const status of ['cancelled', 'resolved'] as const)
    t.same(await incidents.change(phone.user, [], close(status, stampAt(AT))), { is: 'none-open' })
  t.same(await incidents.change(phone.user, [], acknowledge(stampAt(AT))), { is: 'none-open' })
  t.match(
    await report(phone, nextTime()),
    { type: 'processed', snapshotVersion: 1 },
    'the first event of all',
  )
})

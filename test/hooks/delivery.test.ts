import t from 'tap'
import type { Test } from 'tap'
import { backendOf, connectPhone, eventLogOf, startNodes } from '../support/api.js'
import type { Phone } from '../support/api.js'
import type { Broker } from '../support/broker.js'
import { metricsUntil } from '../support/metrics.js'
import {
  createWebhookApps,
  disorderIn,
  newSecret,
  startReceiver,
  timesOf,
  WEBHOOK_ENV,
  webhookUntil,
} from '../support/webhook-receiver.js'
import type { Receiver } from '../support/webhook-receiver.js'

// Each waits out a timeout of its own.
t.jobs = 2
for (const setup of ['embedded store', 'redis store'] as const) {
  t.test(`with the ${setup}`, { buffered: true }, async (t) => {
    const receiver = await startReceiver(t)
    const { url, secret } = receiver
    const apps = createWebhookApps(t, [{ id: 'desk', url, secrets: [secret] }])
    const [broker] = await startNodes(t, setup, { ...WEBHOOK_ENV, APPS_FILE: apps.file })
    await webhookUntil(broker, ({ state }) => state === 'delivering')
    const [alice, bob] = await Promise.all(
      ['alice', 'bob'].map((name) => connectPhone(t, broker, broker.credentials(name, 'app-a'))),
    )
    const all = { t, broker, receiver, alice: alice as Phone, bob: bob as Phone }

    await t.test('every event of the log arrives once, signed, in the order of its incident', async (t) => {
      await everyEventArrives({ ...all, t })
    })
    await t.test(
      'an incident whose delivery fails holds up no other, and is told in order later',
      async (t) => {
        await oneIncidentFails({ ...all, t })
      },
    )
    await t.test('a receiver that hangs for one incident gets the others, and that one again', async (t) => {
      await receiverHangs({ ...all, t })
    })
    await t.test('a receiver that was away gets everything when it is back', async (t) => {
      await receiverRestarts({ ...all, t })
    })
    await t.test('while a secret is replaced each delivery is signed with both', async (t) => {
      const next = newSecret()
      apps.write([{ id: 'desk', url, secrets: [secret, next] }])
      await broker.logged(({ msg }) => msg === 'apps file read again')
      for (const known of [secret, next]) {
        receiver.secret = known
        await all.alice.report()
        const { id } = (await eventLogOf(broker)).at(-1)!
        await receiver.until((seen) => seen.some(({ event }) => event.id === id))
      }
      t.strictSame(receiver.refused, [])
      t.match(receiver.deliveries.at(-1)?.headers['webhook-signature'], /^v1,\S{44} v1,\S{44}$/)
    })
  })
}

interface Scene {
  t: Test
  broker: Broker
  receiver: Receiver
  alice: Phone
  bob: Phone
}

async function everyEventArrives({ t, broker, receiver, alice, bob }: Scene): Promise<void> {
  await Promise.all(
    [alice, bob].map(async (phone) => {
      for (let i = 0; i < 10; i++) await phone.report({ message: 'ayuda ñ 🆘' })
    }),
  )
  const { incidentId } = (await eventLogOf(broker)).find(({ externalUserId }) => externalUserId === 'alice')!
  await backendOf(broker).post(`/incidents/${incidentId}/acknowledge`, { by: 'desk', note: 'on the way' })
  await backendOf(broker).post(`/incidents/${incidentId}/resolve`, { by: 'desk' })
  const log = await eventLogOf(broker)
  t.equal(log.length, 22)
  await receiver.until((seen) => seen.length >= log.length)
  const asText = (events: object[]) => new Set(events.map((event) => JSON.stringify(event)))
  t.strictSame(
    asText(receiver.deliveries.map(({ event }) => event)),
    asText(log),
    'as the event log has them',
  )
  t.strictSame([...new Set(timesOf(receiver.deliveries).values())], [1])
  t.strictSame(disorderIn(receiver.deliveries), [])
  t.strictSame(receiver.refused, [])
  t.ok(
    receiver.deliveries.every(
      ({ headers, event }) =>
        headers['webhook-id'] === event.eventId && headers['content-type'] === 'application/json',
    ),
  )
}

async function oneIncidentFails({ t, broker, receiver, alice, bob }: Scene): Promise<void> {
  const seenBefore = receiver.deliveries.length
  receiver.answer = ({ event }) => (event.externalUserId === 'alice' ? 500 : 200)
  for (let i = 0; i < 5; i++) await alice.report()
  await receiver.until((seen) => seen.length > seenBefore + 2)
  for (let i = 0; i < 20; i++) await bob.report()
  const log = await eventLogOf(broker)
  const lastOf = (name: string) => log.findLast(({ externalUserId }) => externalUserId === name)!
  await receiver.until((seen) => seen.some(({ event }) => event.id === lastOf('bob').id))
  t.notOk(
    receiver.deliveries.some(({ event }) => event.id === lastOf('alice').id),
    'hers waits',
  )
  const failing = await webhookUntil(
    broker,
    ({ state, waitingSince }) => state === 'failing' && waitingSince === null,
  )
  t.match(failing, { failure: { reason: 'status 500' }, deadLetters: 0, gaps: [] })
  t.strictSame(
    failing.held.map(({ incidentId }) => incidentId),
    [lastOf('alice').incidentId],
  )
  t.equal(failing.target, new URL(receiver.url).origin, 'without its path')
  const metrics = await metricsUntil(broker, (read) => read('connect_broker_webhook_held_incidents') === 1)
  t.ok(metrics('connect_broker_webhook_attempts_total', { outcome: 'failed' }) > 2)

  receiver.answer = () => 200
  await receiver.until((seen) => seen.some(({ event }) => event.id === lastOf('alice').id))
  t.match(await webhookUntil(broker, ({ state }) => state === 'delivering'), { held: [] })
  t.strictSame(disorderIn(receiver.deliveries), [])
}

async function receiverHangs({ t, broker, receiver, alice, bob }: Scene): Promise<void> {
  const hanging: string[] = []
  receiver.answer = (delivery) => {
    if (delivery.event.externalUserId !== 'alice' || hanging.length > 0) return 200
    hanging.push(delivery.event.id)
    // It answers after all, when nobody waits for it any more.
    delivery.response.once('close', () => delivery.response.end('too late'))
    return null
  }
  await alice.report()
  await receiver.until(() => hanging.length === 1)
  await alice.report()
  await bob.report()
  const log = await eventLogOf(broker)
  const [hersLast, his] = [log.at(-2)!, log.at(-1)!]
  await receiver.until((seen) => seen.some(({ event }) => event.id === his.id))
  t.notOk(
    receiver.deliveries.some(({ event }) => event.id === hersLast.id),
    'her next one waits for the answer',
  )
  await receiver.until((seen) => seen.some(({ event }) => event.id === hersLast.id))
  const again = receiver.deliveries.filter(({ event }) => event.id === hanging[0])
  t.equal(again.length, 2)
  t.equal(new Set(again.map(({ headers }) => headers['webhook-id'])).size, 1, 'known by its id')
  t.match(await webhookUntil(broker, ({ state }) => state === 'delivering'), {
    failure: { reason: 'no answer within 5000 ms' },
  })
  t.strictSame(disorderIn(receiver.deliveries), [])
}

async function receiverRestarts({ t, broker, receiver, alice, bob }: Scene): Promise<void> {
  receiver.answer = () => 200
  await receiver.stop()
  for (let i = 0; i < 5; i++) for (const phone of [alice, bob]) await phone.report()
  t.match(await webhookUntil(broker, ({ held }) => held.length === 2), {
    state: 'failing',
    failure: { reason: /ECONNREFUSED|ECONNRESET/ },
  })
  await receiver.start()
  const log = await eventLogOf(broker)
  await receiver.until((seen) => timesOf(seen).size === log.length)
  t.strictSame(disorderIn(receiver.deliveries), [])
  t.strictSame(receiver.refused, [])
}

import t from 'tap'
import { backendOf, connectPhone, eventLogOf } from '../support/api.js'
import type { EventJson } from '../../store/event-json.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { withBothStores } from '../support/both-stores.js'
import { readMetrics } from '../support/metrics.js'
import { createWebhookApps, startReceiver, WEBHOOK_ENV, webhookUntil } from '../support/webhook-receiver.js'

interface Letters {
  deadLetters: { at: string; attempts: number; reason: string; event: EventJson }[]
}

const REDELIVER = '/webhooks/desk/dead-letters/redeliver'
const receiver = await startReceiver(t)
const hook = { id: 'desk', url: receiver.url, secrets: [receiver.secret] }
const apps = createWebhookApps(t, [hook])
const ENV = { ...WEBHOOK_ENV, APPS_FILE: apps.file, EVENTS_PER_APP: '1000' }

t.test('what is not taken in time', (t) =>
  withBothStores(
    t,
    async (t, { broker }) => {
      receiver.deliveries.length = 0
      await webhookUntil(broker, ({ state }) => state === 'delivering')
      const alice = await connectPhone(t, broker, broker.credentials('alice', 'app-a'))
      receiver.answer = () => 422
      for (let i = 0; i < 3; i++) await alice.report()
      await broker.logged(({ msg }) => /dead letter/.test(msg ?? ''))
      const given = await webhookUntil(broker, ({ deadLetters }) => deadLetters === 3)
      const log = await eventLogOf(broker)

      await t.test('becomes a dead letter, and the incident goes on', async (t) => {
        t.match(given, { held: [], state: 'delivering', failure: { reason: 'status 422' } })
        const { deadLetters } = await lettersOf(broker)
        t.strictSame(
          deadLetters.map(({ event }) => event),
          log,
        )
        t.ok(deadLetters.every(({ attempts, reason }) => attempts >= 5 && reason === 'status 422'))
        t.equal((await lettersOf(broker, '?limit=2')).deadLetters.length, 2)
        t.equal(
          (await readMetrics(broker))('connect_broker_webhook_attempts_total', { outcome: 'given-up' }),
          3,
        )
      })

      await t.test('is sent once more when somebody asks, one or all', async (t) => {
        const { body: refused } = await backendOf(broker).post(REDELIVER)
        t.match(refused, {
          delivered: 0,
          failed: { eventId: log[0]?.eventId, reason: 'status 422' },
          left: 3,
        })
        receiver.answer = () => 200
        const { body: one } = await backendOf(broker).post(REDELIVER, { eventId: log[1]?.eventId })
        t.strictSame(one, { delivered: 1, failed: null, left: 2 })
        t.equal(receiver.deliveries.at(-1)?.event.eventId, log[1]?.eventId)
        const { body: rest } = await backendOf(broker).post(REDELIVER)
        t.strictSame(rest, { delivered: 2, failed: null, left: 0 })
        t.strictSame(
          receiver.deliveries.slice(-2).map(({ event }) => event.eventId),
          [log[0]?.eventId, log[2]?.eventId],
        )
        t.strictSame((await lettersOf(broker)).deadLetters, [])
      })

      await t.test('is nobody else’s business', async (t) => {
        const other = backendOf(broker, 'app-b')
        t.strictSame((await other.get('/webhooks')).body, { webhooks: [] })
        t.equal((await other.get('/webhooks/desk/dead-letters')).status, 404)
        t.equal((await other.post(REDELIVER)).status, 404)
        t.equal((await backendOf(broker).get('/webhooks/none/dead-letters')).status, 404)
      })
    },
    { ...ENV, WEBHOOK_GIVE_UP_S: '1' },
  ),
)

t.test('a web hook that was away for longer than the log reaches goes on, and the gap is told', async (t) => {
  receiver.deliveries.length = 0
  receiver.answer = () => 200
  const dataDir = temporaryDirectory(t)
  const broker = await startBroker(t, { env: ENV, dataDir })
  await webhookUntil(broker, ({ state }) => state === 'delivering')
  const alice = await connectPhone(t, broker, broker.credentials('alice', 'app-a'))
  await alice.report()
  await receiver.until((seen) => seen.length === 1)
  await webhookUntil(broker, ({ position }) => position === '1')
  apps.write([])
  await broker.logged(({ msg }) => msg === 'apps file read again')
  for (let i = 0; i < 11; i++) await Promise.all(Array.from({ length: 100 }, () => alice.report()))
  apps.write([hook])
  const { gaps } = await webhookUntil(broker, (found) => found.gaps.length > 0)
  t.match(gaps, [{ after: '1', before: '102' }])
  await receiver.until((seen) => seen.length > 1)
  t.equal(receiver.deliveries[1]?.event.version, 102, 'its version tells the receiver that some are missing')
  t.equal((await readMetrics(broker))('connect_broker_webhook_gaps_total'), 1)
  await broker.logged(({ msg, level }) => level === 'error' && /events are missed/.test(msg ?? ''))
})

async function lettersOf(broker: Broker, query = ''): Promise<Letters> {
  const { body } = await backendOf(broker).get(`/webhooks/desk/dead-letters${query}`)
  return body as unknown as Letters
}

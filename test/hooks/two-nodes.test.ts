import t from 'tap'
import { connectPhone, eventLogOf } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { readMetrics } from '../support/metrics.js'
import { startRedis } from '../support/redis.js'
import {
  createWebhookApps,
  disorderIn,
  startReceiver,
  timesOf,
  WEBHOOK_ENV,
  webhookUntil,
} from '../support/webhook-receiver.js'

t.test('two nodes on one Redis send each event once; when one is killed the other goes on', async (t) => {
  const receiver = await startReceiver(t)
  const { file } = createWebhookApps(t, [{ id: 'desk', url: receiver.url, secrets: [receiver.secret] }])
  const redis = await startRedis(t)
  const env = { ...WEBHOOK_ENV, APPS_FILE: file, REDIS_URL: redis.url }
  const nodes = await Promise.all([startBroker(t, { env }), startBroker(t, { env })])
  await webhookUntil(nodes[0], ({ state }) => state === 'delivering')
  const phones = await Promise.all(
    ['alice', 'bob'].map((name, i) => {
      const node = nodes[i] as Broker
      return connectPhone(t, node, node.credentials(name, 'app-a'))
    }),
  )
  for (let i = 0; i < 20; i++) await Promise.all(phones.map((phone) => phone.report()))
  await receiver.until((seen) => seen.length >= 40)
  t.strictSame([...new Set(timesOf(receiver.deliveries).values())], [1])
  const sent = await Promise.all(nodes.map(deliveredBy))
  t.equal(Math.min(...sent), 0, `one node alone sent: ${sent.join(' and ')}`)
  t.strictSame(
    await webhookUntil(nodes[0], ({ waitingSince }) => waitingSince === null),
    await webhookUntil(nodes[1], ({ waitingSince }) => waitingSince === null),
    'both nodes say the same of it',
  )

  const serving = sent[0] === 0 ? 1 : 0
  const [dying, staying] = [nodes[serving], nodes[1 - serving]] as [Broker, Broker]
  const here = phones[1 - serving]!
  const arrived = receiver.deliveries.length
  const reporting = (async () => {
    for (let i = 0; i < 100; i++) await here.report()
  })()
  await receiver.until((seen) => seen.length >= arrived + 10)
  await dying.stop('SIGKILL')
  await reporting
  const log = await eventLogOf(staying)
  t.equal(log.length, 140)
  await receiver.until((seen) => timesOf(seen).size === log.length)
  t.ok((await deliveredBy(staying)) > 0)
  t.strictSame(disorderIn(receiver.deliveries), [])
  t.strictSame(
    [...timesOf(receiver.deliveries).values()].filter((times) => times > 2),
    [],
    'what the dead node left open was sent once more by the other',
  )
  t.strictSame(receiver.refused, [])

  await redis.stop('SIGKILL')
  await staying.logged(({ msg }) => msg === 'redis connection failed')
  await redis.start()
  await here.report()
  await receiver.until((seen) =>
    seen.some(({ event }) => event.userId === here.userId && event.version === 121),
  )
  t.strictSame(disorderIn(receiver.deliveries), [], 'also when Redis was away')
})

async function deliveredBy(node: Broker): Promise<number> {
  return (await readMetrics(node))('connect_broker_webhook_attempts_total', { outcome: 'delivered' })
}

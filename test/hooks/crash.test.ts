import t from 'tap'
import type { Test } from 'tap'
import { connectPhone, eventLogOf } from '../support/api.js'
import type { Phone } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { startRedis } from '../support/redis.js'
import {
  createWebhookApps,
  disorderIn,
  startReceiver,
  timesOf,
  WEBHOOK_ENV,
  webhookUntil,
} from '../support/webhook-receiver.js'

const NAMES = ['alice', 'bob', 'carol']

for (const kind of ['embedded', 'redis'] as const) {
  t.test(`${kind}: a broker that is killed or stopped goes on where it was`, async (t) => {
    const receiver = await startReceiver(t)
    const { file } = createWebhookApps(t, [{ id: 'desk', url: receiver.url, secrets: [receiver.secret] }])
    const env = {
      ...WEBHOOK_ENV,
      APPS_FILE: file,
      ...(kind === 'redis' ? { REDIS_URL: (await startRedis(t)).url } : {}),
    }
    const dataDir = temporaryDirectory(t)
    let broker = await startBroker(t, { env, dataDir })
    await webhookUntil(broker, ({ state }) => state === 'delivering')

    // Carol's deliveries fail until the end, so there is an incident that was left behind at each restart.
    receiver.answer = ({ event }) => (event.externalUserId === 'carol' ? 503 : 200)
    const isTaken = (name: string) => name !== 'carol'
    const { reporting } = await reportUntilKilled(t, broker)
    await receiver.until((seen) => seen.filter(({ event }) => isTaken(event.externalUserId)).length >= 30)
    await broker.stop('SIGKILL')
    await reporting

    broker = await startBroker(t, { env, dataDir })
    const afterKill = (await eventLogOf(broker)).filter(({ externalUserId }) => isTaken(externalUserId))
    await receiver.until((seen) => afterKill.every(({ id }) => seen.some(({ event }) => event.id === id)))
    const told = () => receiver.deliveries.filter(({ event }) => isTaken(event.externalUserId))
    t.strictSame(
      [...timesOf(told()).values()].filter((times) => times > 2),
      [],
      'what the crash left open was sent once more, not again and again',
    )
    await webhookUntil(broker, ({ waitingSince, held }) => waitingSince === null && held.length === 1)

    const toldBefore = told().length
    t.equal(await broker.stop('SIGTERM'), 0)
    broker = await startBroker(t, { env, dataDir })
    const [alice] = await phonesOf(t, broker)
    await alice!.report()
    receiver.answer = () => 200
    const log = await eventLogOf(broker)
    await receiver.until((seen) => timesOf(seen).size === log.length)
    t.equal(told().length, toldBefore + 1, 'after a stop nothing is sent twice')
    t.strictSame(
      new Set(receiver.deliveries.map(({ event }) => event.eventId)),
      new Set(log.map(({ eventId }) => eventId)),
      `all ${log.length} events arrived, those of the incident that was left behind too`,
    )
    t.strictSame(disorderIn(receiver.deliveries), [])
    t.strictSame(receiver.refused, [])
  })
}

async function phonesOf(t: Test, broker: Broker): Promise<Phone[]> {
  return Promise.all(NAMES.map((name) => connectPhone(t, broker, broker.credentials(name, 'app-a'))))
}

/** Each user reports as fast as he is answered, until the broker is gone. */
async function reportUntilKilled(t: Test, broker: Broker): Promise<{ reporting: Promise<unknown> }> {
  const phones = await phonesOf(t, broker)
  const reporting = Promise.all(
    phones.map(async ({ client, report }) => {
      const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
      while (client.connected) await Promise.race([report().catch(() => {}), closed])
    }),
  )
  return { reporting }
}

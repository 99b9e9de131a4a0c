import { randomUUID } from 'node:crypto'
import { cpSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { keys } from '../../store/redis/keys.js'
import { connectPhone, eventLogOf } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { readMetrics } from '../support/metrics.js'
import { startRedis } from '../support/redis.js'
import { createWebhookApps, startReceiver, WEBHOOK_ENV, webhookUntil } from '../support/webhook-receiver.js'

t.test('web hooks and an event log that is not as it was left', async (t) => {
  const receiver = await startReceiver(t)
  const apps = createWebhookApps(t, [{ id: 'desk', url: receiver.url, secrets: [receiver.secret] }])
  const redis = await startRedis(t)
  const env = { ...WEBHOOK_ENV, APPS_FILE: apps.file, REDIS_URL: redis.url }
  const dataDir = temporaryDirectory(t)
  const start = () => startBroker(t, { env, dataDir })
  let broker = await start()
  await webhookUntil(broker, ({ state }) => state === 'delivering')
  const alice = await connectPhone(t, broker, broker.credentials('alice', 'app-a'))
  const stream = keys.events('app-a')

  await t.test('a drill of the doctor goes to no web hook, whatever else its payload says', async (t) => {
    const doctor = await connectPhone(t, broker, broker.credentials('connect-broker-doctor', 'app-a'))
    await doctor.report({ drill: true })
    await alice.report({ drill: true })
    await receiver.until((seen) => seen.length > 0)
    t.strictSame(
      receiver.deliveries.map(({ event }) => event.externalUserId),
      ['alice'],
      'a field of a payload silences nobody',
    )
  })

  await t.test('a whole batch of entries that cannot be read holds up nothing behind it', async (t) => {
    for (let i = 0; i < 150; i++) await redis.client.xadd(stream, '*', 'event', '{')
    await alice.report()
    await receiver.until((seen) => seen.at(-1)?.event.version === 2)
    t.equal(receiver.deliveries.at(-1)?.event.externalUserId, 'alice')
    t.equal((await eventLogOf(broker)).length, 3, 'who follows the log gets past them too')
    await broker.logged(({ msg }) => /no event; passed over/.test(msg ?? ''))
  })

  await t.test(
    'a Redis that comes back empty, with an earlier clock: the gap is told, and it goes on',
    async (t) => {
      const { position } = await webhookUntil(broker, ({ waitingSince }) => waitingSince === null)
      await redis.stop('SIGKILL')
      rmSync(join(dirname(redis.url), 'appendonlydir'), { recursive: true })
      await redis.start()
      const incidentId = randomUUID()
      const { id: _, ...event } = receiver.deliveries[0]!.event
      const early = { ...event, incidentId, eventId: randomUUID(), at: new Date().toISOString() }
      await redis.client.xadd(stream, '5-1', 'event', JSON.stringify(early))
      await receiver.until((seen) => seen.some(({ event: { eventId } }) => eventId === early.eventId))
      t.match(
        await webhookUntil(broker, ({ gaps, waitingSince }) => gaps.length > 0 && waitingSince === null),
        { state: 'delivering', position: '5-1', gaps: [{ after: position, before: '5-1' }] },
      )
      t.equal((await readMetrics(broker))('connect_broker_webhook_gaps_total'), 1)
      await broker.logged(({ msg, level }) => level === 'error' && /event log was lost/.test(msg ?? ''))
      await alice.report()
      await receiver.until((seen) => seen.at(-1)?.event.externalUserId === 'alice')
      t.equal(
        receiver.deliveries.at(-1)?.event.version,
        1,
        'her incident was lost as well, so this is a new one',
      )
    },
  )

  const { id: _, ...event } = receiver.deliveries[0]!.event
  const files = join(dirname(redis.url), 'appendonlydir')
  /** As another node would, or the journal of this one before its web hooks begin. */
  const addEvent = async (externalUserId: string) => {
    const at = new Date().toISOString()
    const early = { ...event, externalUserId, at, incidentId: randomUUID(), eventId: randomUUID() }
    await redis.client.xadd(stream, '*', 'event', JSON.stringify(early))
    return early.eventId
  }
  const isTaken = (id: string) => receiver.until((seen) => seen.some((one) => one.event.eventId === id))

  await t.test('a Redis that was emptied while the broker was stopped: the same', async (t) => {
    const { position } = await webhookUntil(broker, ({ waitingSince }) => waitingSince === null)
    await broker.stop()
    await redis.stop('SIGKILL')
    rmSync(files, { recursive: true })
    await redis.start()
    const early = await addEvent('early')
    broker = await start()
    await isTaken(early)
    const { gaps } = await webhookUntil(broker, ({ waitingSince }) => waitingSince === null)
    t.match(gaps, [{ after: position }])
    t.equal(gaps.length, 1)
    t.equal((await readMetrics(broker))('connect_broker_webhook_gaps_total'), 1)
    await broker.logged(({ msg, level }) => level === 'error' && /event log was lost/.test(msg ?? ''))
  })

  await t.test('a Redis that was put back as it was earlier while the broker was stopped', async (t) => {
    const { position: earlier } = await webhookUntil(broker, ({ waitingSince }) => waitingSince === null)
    await redis.stop()
    const copy = temporaryDirectory(t)
    cpSync(files, copy, { recursive: true })
    await redis.start()
    await isTaken(await addEvent('lost'))
    const { position } = await webhookUntil(broker, (hook) => hook.position !== earlier)
    await broker.stop()
    await redis.stop()
    rmSync(files, { recursive: true })
    cpSync(copy, files, { recursive: true })
    await redis.start()
    const seenBefore = receiver.deliveries.length
    broker = await start()
    const { gaps } = await webhookUntil(broker, (hook) => hook.gaps.length === 2)
    t.match(gaps.at(-1), { after: position })
    const next = await addEvent('next')
    await isTaken(next)
    t.strictSame(
      receiver.deliveries.slice(seenBefore).map(({ event: { eventId } }) => eventId),
      [next],
      'what was taken before does not come again',
    )
    await broker.stop()
    broker = await start()
    t.equal((await webhookUntil(broker, ({ state }) => state === 'delivering')).gaps.length, 2, 'told once')
  })
})

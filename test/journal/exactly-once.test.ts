import t from 'tap'
import { startBroker } from '../support/broker.js'
import { createPhone } from '../support/http.js'
import { readTelemetry } from '../support/journal.js'
import { untilReady } from '../support/readiness.js'
import { metricsUntil } from '../support/metrics.js'
import { processIdOf, publishPacket, readEventLog, sosPayload, timestampOf } from '../support/publishing.js'
import { logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { openRedisAt, user } from '../support/stores.js'

const BUSY_REPORTS = 250
const USERS = 6
const REPORTS = 100
const TELEMETRY = 1_200

const redis = await startRedis(t)
const env = {
  REDIS_URL: redis.url,
  STORE_TIMEOUT_MS: '2000', // a machine that is busy for a moment is no outage
  TELEMETRY_RATE: '1000000',
  TELEMETRY_BURST: '1000000',
  // The fewest that may be set: enough to know again what a crash leaves without a mark.
  REPORT_KEYS_PER_USER: '200',
}
const file = t // both tests use the last broker
let broker = await startBroker(file, { env })
const { dataDir } = broker
const eventCount = () => redis.client.xlen('cb:{demo-app}:events')
const telemetryCount = () => redis.client.xlen('cb:{demo-app}:telemetry')

t.test('kill -9 in the middle of a replay, again and again, leaves every entry once in Redis', async (t) => {
  const phone = createPhone(broker, broker.credentials('android'))
  const old = { timestamp: timestampOf(0), latitude: 41.4, longitude: 2.2, altitude: 0 }
  t.equal((await phone.post('/v1/sdk/sos', old)).status, 200)
  t.equal((await phone.post('/v1/sdk/sos/cancel')).status, 200)
  const before = await eventCount()

  await redis.stop()
  const logInAs = (name: string) => logIn(t, broker.ports.mqtt, broker.credentials(name))
  t.equal((await phone.post('/v1/sdk/sos', old)).status, 200, 'the time of an old position')
  await publishAll(await logInAs('no-clock'), 'sos/alerts', Array(3).fill('{"message":"help"}') as string[])
  await publishAll(await logInAs('busy'), 'sos/alerts', numbered(BUSY_REPORTS))
  const names = Array.from({ length: USERS }, (_, i) => `user-${i}`)
  const clients = await Promise.all(names.map(logInAs))
  await Promise.all(clients.map((client) => publishAll(client, 'sos/alerts', numbered(REPORTS))))
  await publishAll(clients[0]!, 'tel/data', numbered(TELEMETRY))
  await broker.stop('SIGKILL')
  await redis.start()

  const total = before + 1 + 3 + BUSY_REPORTS + USERS * REPORTS
  for (const isFarEnough of [
    async () => (await eventCount()) > before + 220, // the busy user's are on their way
    async () => (await eventCount()) > before + 600,
    async () => (await telemetryCount()) > 0,
    async () => (await telemetryCount()) > 600,
  ]) {
    broker = await startBroker(file, { env, dataDir })
    while (!(await isFarEnough()));
    await broker.stop('SIGKILL')
  }
  broker = await startBroker(file, { env, dataDir })
  await untilReady(broker)

  const log = await readEventLog(redis)
  t.equal(log.length, total)
  t.equal(new Set(log.map(({ eventId }) => eventId)).size, total)
  const reportsOf = (name: string) =>
    log.filter(({ externalUserId }) => externalUserId === name).map(({ report }) => report?.timestamp)
  for (const name of names) t.strictSame(reportsOf(name), numbers(REPORTS).map(timestampOf), name)
  t.strictSame(reportsOf('busy'), numbers(BUSY_REPORTS).map(timestampOf), 'busy')
  t.equal(reportsOf('no-clock').length, 3)
  const store = await openRedisAt(t, redis.url)
  t.match(await store.incidents.readOpen(user('busy')), { reports: BUSY_REPORTS, version: BUSY_REPORTS })
  t.match(await store.incidents.readOpen(user('no-clock')), { reports: 3 })
  const android = log.filter(({ externalUserId }) => externalUserId === 'android')
  t.strictSame(
    android.map(({ type }) => type),
    ['processed', 'cancelled', 'processed'],
  )
  t.match(await store.incidents.readOpen(user('android')), { reports: 1 }, 'opened anew, once')
  t.strictSame(
    await readTelemetry(redis),
    numbers(TELEMETRY).map((n) => `user-0 ${timestampOf(n)}`),
  )
  const incident = await store.incidents.readOpen(user('user-0'))
  t.equal((await store.incidents.readTrail('demo-app', incident!.incidentId)).length, REPORTS + TELEMETRY)
  t.match(await store.telemetry.readLastPosition(user('user-0')), { occurredAt: timestampOf(TELEMETRY) })
})

t.test('telemetry whose answer Redis did not get to give is neither lost nor there twice', async (t) => {
  await redis.client.del('cb:{demo-app}:telemetry')
  const pid = await processIdOf(redis)
  const names = ['walker-0', 'walker-1', 'walker-2', 'walker-3']
  let acknowledged = 0
  let onAcknowledged: () => void = () => {}
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      onAcknowledged = () => acknowledged >= count && resolve()
      onAcknowledged()
    })
  const perWalker = 1_000
  const walking = names.map(async (name) => {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials(name))
    await publishAll(client, 'tel/data', numbered(perWalker), () => {
      acknowledged++
      onAcknowledged()
    })
  })
  for (const target of [800, 2_400]) {
    await until(target)
    process.kill(pid, 'SIGSTOP') // what is on its way to it will be done, and nobody hears of it in time
    await metricsUntil(broker, (read) => read('connect_broker_journal_entries', { kind: 'telemetry' }) > 0)
    process.kill(pid, 'SIGCONT')
    await metricsUntil(broker, (read) => read('connect_broker_journal_entries') === 0)
  }
  await Promise.all(walking)
  await untilReady(broker)
  t.strictSame(
    (await readTelemetry(redis)).toSorted(),
    names.flatMap((name) => numbers(perWalker).map((n) => `${name} ${timestampOf(n)}`)).toSorted(),
  )
})

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

function numbered(count: number): string[] {
  return numbers(count).map(sosPayload)
}

/** Keeps a hundred on their way until all are acknowledged. */
async function publishAll(
  client: RawClient,
  topic: string,
  payloads: string[],
  onAcknowledged: () => void = () => {},
): Promise<void> {
  let sent = 0
  const publish = () => {
    const payload = payloads[sent++]
    if (payload !== undefined) client.sendPacket(publishPacket(topic, payload, sent))
  }
  for (let i = 0; i < 100; i++) publish()
  for (let done = 0; done < payloads.length; done++) {
    await client.nextOf('puback')
    onAcknowledged()
    publish()
  }
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { keys } from '../../../store/redis/keys.js'
import { startBroker, temporaryDirectory } from '../../support/broker.js'
import { createPhone } from '../../support/http.js'
import { publishSos, readEventLog, subscribeToEvents, timestampOf } from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import { startRedis } from '../../support/redis.js'
import { isReady, readinessUntil } from '../../support/readiness.js'
import { createWitnesses } from '../../support/redis-trouble.js'
import { readMetrics } from '../../support/metrics.js'
import { user } from '../../support/stores.js'

const redis = await startRedis(t)
const appsFile = join(temporaryDirectory(t), 'apps.json')
const apps = ['demo-app', 'other-app'].map((appId) => ({
  appId,
  secrets: [`secret-of-${appId}`.padEnd(32, '-')],
}))
writeFileSync(appsFile, JSON.stringify({ apps }))
const broker = await startBroker(t, { env: { REDIS_URL: redis.url, APPS_FILE: appsFile } })
const witnesses = await createWitnesses(t, broker, redis)
const foreign = {
  'report times': keys.reports('demo-app', user('eve').userId),
  history: keys.userHistory('demo-app', user('eve').userId),
}

for (const [name, key] of Object.entries(foreign)) {
  t.test(`a user whose ${name} are something else waits in the journal, and nobody else does`, async (t) => {
    await redis.client.set(key, 'not ours')
    const eve = await logIn(t, broker.ports.mqtt, broker.credentials('eve'), { keepalive: 0 })
    const before = (await readEventLog(redis)).length
    t.ok(await publishSos(eve, 1_000), 'her SOS is acknowledged')
    const { status, reasons } = await readinessUntil(broker, (now) => !isReady(now))
    t.equal(status, 'degraded')
    t.match(reasons, [/^the journal holds 1 SOS and 0 telemetry messages/], 'and Redis is well')
    t.match(await broker.logged(({ reason }) => String(reason).startsWith('WRONGTYPE')), {
      userId: user('eve').userId,
    })
    const phone = createPhone(broker, broker.credentials('eve'))
    t.equal((await phone.get('/v1/sdk/sos')).status, 503, 'what cannot be read is no null')

    const journaled = (await readMetrics(broker))('connect_broker_journaled_total')
    for (let n = 0; n < 20; n++) {
      await witnesses.report(t, 'alice', 'meanwhile')
      await witnesses.report(t, 'bob', 'meanwhile')
      await witnesses.sendTelemetry(t, 'meanwhile')
      t.ok(await publishSos(eve, 1_001 + n), 'and so are her next')
    }
    t.equal((await readMetrics(broker))('connect_broker_journaled_total') - journaled, 20, 'hers alone')
    await witnesses.compare(t)

    await redis.client.del(key)
    t.equal((await phone.get('/v1/sdk/sos')).status, 200, 'whoever asks for her incident brings it')
    await readinessUntil(broker, isReady)
    const hers = (await readEventLog(redis))
      .slice(before)
      .filter(({ externalUserId }) => externalUserId === 'eve')
    t.strictSame(
      hers.map(({ report }) => report?.timestamp),
      Array.from({ length: 21 }, (_, n) => timestampOf(1_000 + n)),
    )
    t.equal((await phone.post('/v1/sdk/sos/cancel')).status, 200)
    await redis.client.del(...Object.values(foreign))
  })
}

t.test(
  'an app whose event log is something else waits until it is right again, and no other app does',
  async (t) => {
    const eve = await logIn(t, broker.ports.mqtt, broker.credentials('eve', 'other-app'), { keepalive: 0 })
    const events = await subscribeToEvents(
      await logIn(t, broker.ports.mqtt, broker.credentials('eve', 'other-app'), { keepalive: 0 }),
      ['sos/events/eve'],
    )
    await redis.client.set(keys.events('other-app'), 'not ours')
    t.ok(await publishSos(eve, 1), 'an SOS of the app is acknowledged')
    const isTold = /^the event log of app other-app cannot be read \(WRONGTYPE/
    const { status } = await readinessUntil(broker, ({ reasons }) =>
      reasons.some((reason) => isTold.test(reason)),
    )
    t.equal(status, 'degraded')
    t.equal((await readMetrics(broker))('connect_broker_event_log_unreadable_apps'), 1)
    for (let n = 0; n < 3; n++) await witnesses.report(t, 'alice', 'meanwhile')
    await witnesses.compare(t)

    await redis.client.del(keys.events('other-app'))
    t.match(await events.until((seen) => seen.length > 0), [
      { type: 'processed', occurredAt: timestampOf(1) },
    ])
    await readinessUntil(broker, isReady)
    t.equal((await readMetrics(broker))('connect_broker_event_log_unreadable_apps'), 0)
    await broker.logged(({ msg }) => msg === 'event log of one app is read again')
    const lines = broker.log.filter(({ msg }) => String(msg).startsWith('event log of one app'))
    t.equal(lines.length, 2, 'told once, and once that it is over')
  },
)

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { keys } from '../../store/redis/keys.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { createPhone } from '../support/http.js'
import type { Phone } from '../support/http.js'
import { untilReady } from '../support/readiness.js'
import { publishSos, readEventLog, timestampOf } from '../support/publishing.js'
import { logIn } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { user } from '../support/stores.js'

const redis = await startRedis(t)
const broker = await startBroker(t, {
  // A machine that is busy for a moment is no outage.
  env: { REDIS_URL: redis.url, STORE_TIMEOUT_MS: '2000' },
})
const logInAs = (name: string) => logIn(t, broker.ports.mqtt, broker.credentials(name))
const phoneOf = (name: string) => createPhone(broker, broker.credentials(name))

t.test('reports of a user keep their order while Redis goes and comes back', async (t) => {
  const names = Array.from({ length: 8 }, (_, i) => `user-${i}`)
  const clients = await Promise.all(names.map(logInAs))
  let acknowledged = 0
  let onAcknowledged: () => void = () => {}
  const until = (count: number) =>
    new Promise<void>((resolve) => (onAcknowledged = () => acknowledged >= count && resolve()))
  const publishing = Promise.all(
    clients.map(async (client, i) => {
      for (let n = 1; n <= 60; n++) {
        t.ok(await publishSos(client, n), `${names[i]} ${n}`)
        acknowledged++
        onAcknowledged()
      }
    }),
  )
  for (const count of [80, 240]) {
    await until(count)
    await redis.stop('SIGKILL')
    await until(count + 80)
    await redis.start()
  }
  await publishing
  await untilReady(broker)
  const log = await readEventLog(redis)
  for (const name of names) {
    const own = log.filter(({ externalUserId }) => externalUserId === name)
    t.strictSame(
      own.map(({ report, version }) => [report?.timestamp, version]),
      Array.from({ length: 60 }, (_, i) => [timestampOf(i + 1), i + 1]),
      name,
    )
  }
})

t.test(
  'a cancel right when Redis is back closes what the journal brings, not what comes after it',
  async (t) => {
    const bob = await logInAs('bob')
    await redis.stop()
    t.ok(await publishSos(bob, 1))
    t.equal((await phoneOf('bob').post('/v1/sdk/sos/cancel')).status, 503)
    const [answer] = await Promise.all([untilTaken(phoneOf('bob'), '/v1/sdk/sos/cancel'), redis.start()])
    t.match(answer, { incident: { state: 'cancelled', timestamp: timestampOf(1) } })
    t.ok(await publishSos(bob, 2), 'help again')
    t.match((await phoneOf('bob').get('/v1/sdk/sos')).json, {
      incident: { state: 'active', timestamp: timestampOf(2) },
    })
    await untilReady(broker)
    const log = (await readEventLog(redis)).filter(({ externalUserId }) => externalUserId === 'bob')
    t.strictSame(
      log.map(({ type, report }) => [type, report?.timestamp]),
      [
        ['processed', timestampOf(1)],
        ['cancelled', undefined],
        ['processed', timestampOf(2)],
      ],
    )
  },
)

t.test('contract 9: GET is never null for a user whose SOS is in the journal', async (t) => {
  const names = Array.from({ length: 6 }, (_, i) => `lost-${i}`)
  await redis.stop()
  for (const [i, name] of names.entries()) {
    if (i % 2 === 0) t.ok(await publishSos(await logInAs(name), 1))
    else t.equal((await phoneOf(name).post('/v1/sdk/sos', { timestamp: timestampOf(1) })).status, 200)
  }
  const asking = Promise.all(
    names.map(async (name) => {
      for (let refused = 0; ; refused++) {
        const { status, json } = await phoneOf(name).get('/v1/sdk/sos')
        if (status !== 503) return { refused, status, json }
      }
    }),
  )
  t.equal((await phoneOf('lost-0').get('/v1/sdk/sos')).status, 503)
  await redis.start()
  for (const { status, json } of await asking) {
    t.equal(status, 200)
    t.match(json, { incident: { state: 'active', timestamp: timestampOf(1) } })
  }
})

t.test(
  'an SOS in the journal is stored also when its user was revoked, or its app removed, meanwhile',
  async (t) => {
    const dataDir = temporaryDirectory(t)
    const secrets = ['secret-of-an-app'.padEnd(32, '-')]
    const write = (...appIds: string[]) =>
      writeFileSync(
        join(dataDir, 'apps.json'),
        JSON.stringify({ apps: appIds.map((appId) => ({ appId, secrets })) }),
      )
    write('staying-app', 'leaving-app')
    const before = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir })
    const credentials = ['staying-app', 'leaving-app'].map((appId) => before.credentials('dave', appId))
    const daves = await Promise.all(credentials.map((dave) => logIn(t, before.ports.mqtt, dave)))
    await redis.stop()
    for (const dave of daves) t.ok(await publishSos(dave, 1))
    await before.stop('SIGKILL')
    await redis.start()
    const { userId } = user('dave', 'staying-app')
    await redis.client.hset(keys.revoked('staying-app'), userId, new Date().toISOString(), 'version', 'x')
    write('staying-app')
    const after = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir })
    await untilReady(after)
    for (const { appId } of credentials)
      t.strictSame(
        (await readEventLog(redis, appId)).map(({ type, report }) => [type, report?.timestamp]),
        [['processed', timestampOf(1)]],
        appId,
      )
  },
)

/** Asks until the store takes it. */
async function untilTaken(phone: Phone, path: string): Promise<unknown> {
  for (;;) {
    const { status, json } = await phone.post(path)
    if (status !== 503) return json
  }
}

import t from 'tap'
import { startBroker } from '../../support/broker.js'
import { publishPacket, publishSos, sosPayload } from '../../support/publishing.js'
import { readMetric } from '../../support/programs.js'
import { logIn } from '../../support/raw-client.js'
import { untilReady } from '../../support/readiness.js'
import { startRedis } from '../../support/redis.js'

const get = (port: number, path: string) => fetch(`http://127.0.0.1:${port}${path}`)

t.test('/healthz, /readyz and /metrics answer, and nothing else does', async (t) => {
  const { ports } = await startBroker(t)
  const alive = await get(ports.admin, '/healthz')
  t.equal(alive.status, 200)
  t.strictSame(await alive.json(), { status: 'alive' })
  const ready = await get(ports.admin, '/readyz')
  t.equal(ready.status, 200)
  t.match(await ready.json(), { status: 'ready', reasons: [/on the disk of this machine/] })
  const metrics = await get(ports.admin, '/metrics')
  t.match(metrics.headers.get('content-type'), /^text\/plain/)
  t.match(await metrics.text(), /^# TYPE connect_broker_messages_total counter$/m)
  t.equal((await get(ports.admin, '/')).status, 404)
  for (const path of ['/metrics', '/healthz', '/readyz'])
    t.equal((await get(ports.http, path)).status, 404, `${path} is not on the public port`)
})

t.test('/metrics counts sessions, logins and messages, and names nobody', async (t) => {
  const broker = await startBroker(t)
  const { admin, mqtt } = broker.ports
  const client = await logIn(t, mqtt, broker.credentials('alice-the-user'))
  await t.rejects(logIn(t, mqtt, { ...broker.credentials('alice-the-user'), password: 'wrong' }))
  t.ok(await publishSos(client, 1, 1))
  t.ok(await publishSos(client, 1, 2))
  client.sendPacket(publishPacket('tel/data', sosPayload(1), 3))
  await client.nextOf('puback')
  for (const [sample, count] of Object.entries({
    connect_broker_sessions: 1,
    'connect_broker_logins_total{outcome="accepted"}': 1,
    'connect_broker_logins_total{outcome="wrong-hash"}': 1,
    'connect_broker_messages_total{kind="sos",outcome="accepted"}': 1,
    'connect_broker_messages_total{kind="sos",outcome="repeat"}': 1,
    'connect_broker_messages_total{kind="telemetry",outcome="accepted"}': 1,
  })) {
    t.equal(await readMetric(admin, sample), count, sample)
  }
  const page = await (await get(admin, '/metrics')).text()
  t.notMatch(page, /alice/)
  const withApp = page.split('\n').filter((line) => line.includes('demo-app'))
  t.match(withApp, [/^connect_broker_open_incidents\{app="demo-app"\} 1$/], 'apps are named here alone')
  t.equal(withApp.length, 1)
})

t.test(
  '/readyz says degraded and why while Redis is away, ready when it is back; /healthz stays 200',
  async (t) => {
    const redis = await startRedis(t)
    const { ports } = await startBroker(t, { env: { REDIS_URL: redis.url } })
    t.match(await (await get(ports.admin, '/readyz')).json(), { status: 'ready', reasons: [/disk of Redis/] })
    await redis.stop()
    const away = await get(ports.admin, '/readyz')
    t.equal(away.status, 200, 'its phones are better off here than nowhere')
    t.match(await away.json(), {
      status: 'degraded',
      reasons: [
        /^Redis takes no writes \((Redis closed the connection|write EPIPE|read ECONNRESET|.*ENOENT.*)\): SOS and telemetry go to the journal/,
      ],
    })
    t.equal((await get(ports.admin, '/healthz')).status, 200)
    await redis.start()
    await untilReady({ ports })
    t.match(await (await get(ports.admin, '/readyz')).json(), { reasons: [/disk of Redis/] })
  },
)

t.test('/readyz and the log say in words what an acknowledgement is worth with this Redis', async (t) => {
  const redis = await startRedis(t, ['--appendonly', 'no'])
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
  const reasons = async () =>
    ((await (await get(broker.ports.admin, '/readyz')).json()) as { reasons: string[] }).reasons
  t.match(await reasons(), [/set appendonly yes/])
  t.match(await broker.logged(({ store }) => store === 'redis'), { level: 'warn', msg: /set appendonly yes/ })
  await redis.client.config('SET', 'appendonly', 'yes')
  await redis.client.config('SET', 'appendfsync', 'everysec')
  await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  t.match(await reasons(), [/within a second.*set appendfsync always.*set noeviction/])
})

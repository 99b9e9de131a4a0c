import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startBroker, temporaryDirectory } from '../../support/broker.js'
import type { Broker } from '../../support/broker.js'
import { createPhone } from '../../support/http.js'
import {
  processIdOf,
  publishPacket,
  publishSos,
  readEventLog,
  sosPayload,
  subscribeToEvents,
  timestampOf,
} from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import type { RawClient } from '../../support/raw-client.js'
import { readReadiness, untilReady } from '../../support/readiness.js'
import { startRedis } from '../../support/redis.js'

/** [MQTT5 3.14.2.1]: 0x88, Server unavailable, exists in CONNACK only. */
const SERVER_UNAVAILABLE = 0x88

for (const how of ['does not answer', 'refuses connections'] as const) {
  t.test(
    `while Redis ${how} SOS and telemetry are acknowledged, and in Redis once when it is back`,
    async (t) => {
      const redis = await startRedis(t)
      const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
      const pid = await processIdOf(redis)
      const [alice, bob, listener] = await Promise.all([
        logIn(t, broker.ports.mqtt, broker.credentials('alice')),
        logIn(t, broker.ports.mqtt, broker.credentials('bob'), { protocolVersion: 5 }),
        logIn(t, broker.ports.mqtt, broker.credentials('alice')),
      ])
      const events = await subscribeToEvents(listener, ['sos/events/alice'])
      t.ok(await publishSos(alice, 0), 'before it went')

      if (how === 'does not answer') process.kill(pid, 'SIGSTOP')
      else await redis.stop('SIGTERM')
      for (let n = 1; n <= 5; n++) t.ok(await publishSos(alice, n), `alice ${n}`)
      t.ok(await publishSos(bob, 1))
      for (let n = 1; n <= 5; n++) t.equal(await publishTelemetry(alice, n), 0)
      await logInAndSubscribe(t, broker)

      if (how === 'does not answer') process.kill(pid, 'SIGCONT')
      else await redis.start()
      const copies = await events.until((seen) => seen.length === 6)
      t.strictSame(
        copies.map(({ type, occurredAt, snapshotVersion }) => [type, occurredAt, snapshotVersion]),
        [0, 1, 2, 3, 4, 5].map((n) => ['processed', timestampOf(n), n + 1]),
        'a session from before hears of each, in order',
      )
      await untilReady(broker)
      const log = await readEventLog(redis)
      t.equal(log.length, 7)
      t.equal(log.filter(({ externalUserId }) => externalUserId === 'bob').length, 1)
      const stored = await redis.client.xrange('cb:{demo-app}:telemetry', '-', '+')
      t.strictSame(
        stored.map(([, fields]) => (JSON.parse(fields[1] as string) as { occurredAt: string }).occurredAt),
        [1, 2, 3, 4, 5].map(timestampOf),
      )
      t.ok(await publishSos(alice, 6), 'and so on')
      t.equal(broker.child.exitCode, null, 'the same process all the time')
      t.equal(await broker.stop(), 0)
    },
  )
}

t.test(
  'an SOS by HTTP is journaled too: 200, GET is 503, and the incident has the id that was answered',
  async (t) => {
    const redis = await startRedis(t)
    const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
    const phone = createPhone(broker, broker.credentials('alice'))
    await redis.stop()
    const report = { timestamp: timestampOf(1), latitude: 41.4, longitude: 2.2, altitude: 0 }
    const answer = await phone.post('/v1/sdk/sos', report)
    t.equal(answer.status, 200)
    const { incident } = JSON.parse(answer.text) as { incident: { id: string; state: string } }
    t.equal(incident.state, 'active')
    t.equal((await phone.get('/v1/sdk/sos')).status, 503, 'never null')
    t.equal((await phone.post('/v1/sdk/sos/cancel')).status, 503)
    await redis.start()
    await untilReady(broker)
    t.match(JSON.parse((await phone.get('/v1/sdk/sos')).text), {
      incident: { id: incident.id, state: 'active' },
    })
  },
)

t.test(
  'a broker that starts while Redis is away takes an SOS, also across a restart of its own',
  async (t) => {
    const redis = await startRedis(t)
    await redis.stop()
    const dataDir = temporaryDirectory(t)
    const first = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir })
    t.match(await readReadiness(first), { status: 'degraded', reasons: [/takes no writes/] })
    t.ok(await publishSos(await logIn(t, first.ports.mqtt, first.credentials('alice')), 1))
    await first.stop('SIGKILL')

    const second = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir })
    t.match(await second.logged(({ msg }) => msg === 'journal: an earlier run left entries for the store'), {
      sos: 1,
    })
    const alice = await logIn(t, second.ports.mqtt, second.credentials('alice'))
    const events = await subscribeToEvents(alice, ['sos/events/alice'])
    t.ok(await publishSos(alice, 2))
    await redis.start()
    t.strictSame(
      (await events.until((copies) => copies.length === 2)).map(({ occurredAt }) => occurredAt),
      [timestampOf(1), timestampOf(2)],
    )
  },
)

t.test(
  'no PUBACK when neither Redis nor the journal takes the SOS: 0x88 in 5.0, closed in 3.1.1',
  async (t) => {
    const redis = await startRedis(t)
    const dataDir = temporaryDirectory(t)
    writeFileSync(join(dataDir, 'journal'), 'a file where the directory would be')
    const broker = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir })
    t.match(await readReadiness(broker), {
      status: 'degraded',
      reasons: [/journal cannot be used \(EEXIST\)/, /disk/],
    })
    const modern = await logIn(t, broker.ports.mqtt, broker.credentials('modern'), { protocolVersion: 5 })
    const classic = await logIn(t, broker.ports.mqtt, broker.credentials('classic'))
    t.ok(await publishSos(classic, 1), 'with Redis there is nothing to it')
    await redis.stop()
    modern.sendPacket(publishPacket('sos/alerts', sosPayload(1), 1))
    classic.sendPacket(publishPacket('tel/data', sosPayload(1), 1))
    t.match(
      await modern.untilClosed(),
      [{ cmd: 'disconnect', reasonCode: SERVER_UNAVAILABLE }],
      'and nothing else',
    )
    t.strictSame(await classic.untilClosed(), [], '3.1.1 is closed without a word')
    t.match(await broker.logged(({ msg }) => msg === 'not stored, not acknowledged'), { kind: String })
  },
)

t.test(
  'a broker that stops while Redis does not answer ends in time with code 0; the SOS is kept',
  async (t) => {
    const redis = await startRedis(t)
    const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
    const client = await logIn(t, broker.ports.mqtt, broker.credentials('alice'), { protocolVersion: 5 })
    const pid = await processIdOf(redis)
    process.kill(pid, 'SIGSTOP')
    client.sendPacket(publishPacket('sos/alerts', sosPayload(1), 1))
    client.sendPacket({ cmd: 'pingreq' })
    await client.nextOf('pingresp')
    const stopped = broker.stop()
    t.ok((await client.untilClosed()).some(({ cmd }) => cmd === 'puback'))
    t.equal(await stopped, 0)
    process.kill(pid, 'SIGCONT')
    const again = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir: broker.dataDir })
    await untilReady(again)
    t.equal((await readEventLog(redis)).length, 1)
  },
)

async function publishTelemetry(client: RawClient, n: number): Promise<number> {
  client.sendPacket(publishPacket('tel/data', sosPayload(n), 100 + n))
  return (await client.nextOf('puback')).reasonCode ?? 0
}

/** What needs no store works without it. */
async function logInAndSubscribe(t: Test, broker: Broker): Promise<void> {
  for (const protocolVersion of [3, 4, 5] as const) {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials(`new-${protocolVersion}`), {
      protocolVersion,
    })
    await subscribeToEvents(client, [`sos/events/new-${protocolVersion}`])
    client.sendPacket({ cmd: 'pingreq' })
    t.equal((await client.nextOf('pingresp')).cmd, 'pingresp', `version ${protocolVersion} logs in`)
  }
}

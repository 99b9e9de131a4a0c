import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../../support/broker.js'
import type { Broker } from '../../support/broker.js'
import {
  processIdOf,
  publishPacket,
  publishSosUntilStored,
  readEventLog,
  sosPayload,
  subscribeToEvents,
  timestampOf,
} from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import { startRedis } from '../../support/redis.js'

/** [MQTT5 3.14.2.1]: 0x88, Server unavailable, exists in CONNACK only. */
const SERVER_UNAVAILABLE = 0x88

for (const how of ['does not answer', 'refuses connections'] as const) {
  t.test(`no PUBACK while Redis ${how}; logins go on, and so does everything once it is back`, async (t) => {
    const redis = await startRedis(t)
    const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
    const pid = await processIdOf(redis)
    const [modern, classic, listener] = await Promise.all([
      logIn(t, broker.ports.mqtt, broker.credentials('modern'), { protocolVersion: 5 }),
      logIn(t, broker.ports.mqtt, broker.credentials('classic')),
      logIn(t, broker.ports.mqtt, broker.credentials('alice')),
    ])
    const events = await subscribeToEvents(listener, ['sos/events/alice'])

    if (how === 'does not answer') process.kill(pid, 'SIGSTOP')
    else await redis.stop('SIGTERM')
    modern.sendPacket(publishPacket('sos/alerts', sosPayload(1), 1))
    classic.sendPacket(publishPacket('sos/alerts', sosPayload(1), 1))
    await logInAndSubscribe(t, broker)
    t.match(
      await modern.untilClosed(),
      [{ cmd: 'disconnect', reasonCode: SERVER_UNAVAILABLE }],
      'and nothing but that',
    )
    t.strictSame(await classic.untilClosed(), [], '3.1.1 is closed without a word')
    t.match(await broker.logged(({ msg }) => msg === 'not stored, not acknowledged'), {
      kind: 'sos',
      reason: String,
    })

    if (how === 'does not answer') process.kill(pid, 'SIGCONT')
    else await redis.start()
    const alice = () => logIn(t, broker.ports.mqtt, broker.credentials('alice'))
    await publishSosUntilStored(alice, 7)
    const [event] = await events.until((copies) => copies.length > 0)
    t.match(event, { type: 'processed', occurredAt: timestampOf(7) }, 'a session from before hears of it')
    t.ok((await readEventLog(redis)).some(({ report }) => report?.timestamp === timestampOf(7)))
    t.equal(broker.child.exitCode, null, 'the same process all the time')
    t.equal(await broker.stop(), 0)
  })
}

t.test('telemetry is not acknowledged either while Redis refuses connections', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('alice'), { protocolVersion: 5 })
  await redis.stop()
  client.sendPacket(publishPacket('tel/data', sosPayload(1), 1))
  t.match(await client.untilClosed(), [{ cmd: 'disconnect', reasonCode: SERVER_UNAVAILABLE }])
})

t.test('a broker that stops while Redis does not answer still ends in time, with code 0', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('alice'), { protocolVersion: 5 })
  process.kill(await processIdOf(redis), 'SIGSTOP')
  client.sendPacket(publishPacket('sos/alerts', sosPayload(1), 1))
  client.sendPacket({ cmd: 'pingreq' })
  await client.nextOf('pingresp')
  const stopped = broker.stop()
  t.notOk((await client.untilClosed()).some(({ cmd }) => cmd === 'puback'))
  t.equal(await stopped, 0)
})

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

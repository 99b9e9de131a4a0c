import t from 'tap'
import { startBroker } from '../../support/broker.js'
import {
  publishPacket,
  publishSosUntilStored,
  readEventLog,
  sosPayload,
  timestampOf,
} from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import { startRedis } from '../../support/redis.js'
import { openRedisAt } from '../../support/stores.js'

/** [MQTT5 3.14.2.1]: 0x88, Server unavailable, exists in CONNACK only. */
const SERVER_UNAVAILABLE = 0x88

const CYCLES = 3
const ACKNOWLEDGED_BEFORE_KILL = 40

t.test('appendfsync always: whatever was acknowledged before a kill -9 of Redis is stored', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
  const sos = new Set<string>()
  const telemetry = new Set<string>()
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    let killed: Promise<void> | null = null
    const publishAll = async (name: string) => {
      const client = await logIn(t, broker.ports.mqtt, broker.credentials(name), { protocolVersion: 5 })
      let sent = 0
      const numberOf = (messageId: number) => cycle * 1_000_000 + messageId
      const publish = () => {
        const topic = ++sent % 4 === 0 ? 'tel/data' : 'sos/alerts'
        client.sendPacket(publishPacket(topic, sosPayload(numberOf(sent)), sent))
      }
      for (let i = 0; i < 8; i++) publish()
      for (;;) {
        const packet = await client.next()
        if (packet.cmd === 'disconnect') return t.equal(packet.reasonCode, SERVER_UNAVAILABLE)
        if (packet.cmd !== 'puback') continue
        const messageId = packet.messageId as number
        const text = `${name} ${timestampOf(numberOf(messageId))}`
        ;(messageId % 4 === 0 ? telemetry : sos).add(text)
        if (sos.size + telemetry.size >= ACKNOWLEDGED_BEFORE_KILL * (cycle + 1))
          killed ??= redis.stop('SIGKILL')
        publish()
      }
    }
    await Promise.all(Array.from({ length: 6 }, (_, i) => publishAll(`user-${i}`)))
    await killed
    await redis.start()
    // The broker was not restarted: it finds its Redis again by itself.
    await publishSosUntilStored(() => logIn(t, broker.ports.mqtt, broker.credentials('probe')), cycle)

    const log = await readEventLog(redis)
    const stored = new Set(log.map(({ externalUserId, report }) => `${externalUserId} ${report?.timestamp}`))
    t.strictSame(
      [...sos].filter((report) => !stored.has(report)),
      [],
      `all of ${sos.size} acknowledged reports are stored`,
    )
    const store = await openRedisAt(t, redis.url)
    const kept = new Set(
      (await store.telemetry.readLatest('demo-app', 10_000)).map(
        ({ externalUserId, occurredAt }) => `${externalUserId} ${occurredAt}`,
      ),
    )
    t.strictSame(
      [...telemetry].filter((message) => !kept.has(message)),
      [],
      `and all of ${telemetry.size} acknowledged telemetry messages`,
    )
    await store.stop()
  }
  t.ok(sos.size > 0 && telemetry.size > 0)
  t.equal(broker.child.exitCode, null, 'the broker lived through it')
})

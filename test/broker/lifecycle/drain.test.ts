import t from 'tap'
import { stopLimitsOf } from '../../../broker/stop-limits.js'
import { sizeOfWave } from '../../../broker/waves.js'
import { startBroker } from '../../support/broker.js'
import { publishPacket, readEventLog, sosPayload, timestampOf } from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import { readReadiness } from '../../support/readiness.js'
import { startRedis } from '../../support/redis.js'

const PHONES = 210

t.test(
  'SIGTERM: readiness is gone at once, phones leave in waves, and who has not left yet is served',
  async (t) => {
    const redis = await startRedis(t)
    const broker = await startBroker(t, {
      env: {
        REDIS_URL: redis.url,
        DRAIN_SECONDS: '2',
        SESSIONS_PER_USER: String(PHONES),
        CONNECT_TIMEOUT_MS: '60000',
      },
    })
    const alice = broker.credentials('alice')
    const phones = await Promise.all(
      Array.from({ length: PHONES }, () => logIn(t, broker.ports.mqtt, alice, { protocolVersion: 5 })),
    )
    const stopped = broker.stop('SIGTERM')
    await broker.logged(({ msg }) => msg === 'sessions are told to leave')
    phones.at(-1)!.sendPacket(publishPacket('sos/alerts', sosPayload(1), 1))
    t.match(await readReadiness(broker), { status: 'not-ready', reasons: ['the broker is stopping'] })
    await t.rejects(
      logIn(t, broker.ports.mqtt, alice),
      { code: 'ECONNREFUSED' },
      'who comes now finds another node',
    )
    const lastWords = await Promise.all(phones.map(async (phone) => (await phone.untilClosed()).at(-1)))
    t.equal(await stopped, 0)
    t.equal(
      lastWords.filter((packet) => packet?.cmd === 'disconnect' && packet.reasonCode === 0x8b).length,
      PHONES,
      'each is told why',
    )
    const waves = broker.log.filter(({ msg }) => msg === 'sessions are told to leave')
    t.strictSame(
      waves.map(({ count, left }) => [count, left]),
      [
        [100, 110],
        [100, 10],
        [10, 0],
      ],
    )
    const stored = (await readEventLog(redis)).map(({ report }) => report?.timestamp)
    t.strictSame(stored, [timestampOf(1)], 'what was sent after SIGTERM')
  },
)

t.test('few go at once, and many within the time that is given', async (t) => {
  t.equal(sizeOfWave(100, 5_000), 100)
  t.equal(sizeOfWave(150, 5_000), 100)
  t.equal(sizeOfWave(10_000, 5_000), 500)
  t.equal(sizeOfWave(10_000, 0), 10_000, 'no time: all at once')
  t.equal(sizeOfWave(0, 5_000), 100)
})

t.test('each part of a stop has its time, within 10 s or 6 s more than the drain', async (t) => {
  for (const drainMs of [0, 4_000, 60_000]) {
    const { sessionsMs, underWayMs, partsMs, wholeMs } = stopLimitsOf(drainMs)
    t.ok(wholeMs < Math.max(10_000, drainMs + 6_000), `${drainMs}: before a container engine kills`)
    t.ok(sessionsMs >= drainMs + 3_000, `${drainMs}: the last wave gets its answers`)
    t.ok(
      sessionsMs < underWayMs && underWayMs < partsMs && partsMs < wholeMs,
      `${drainMs}: one after the other`,
    )
  }
})

import t from 'tap'
import { startBroker } from '../support/broker.js'
import { readTelemetry } from '../support/journal.js'
import { untilReady } from '../support/readiness.js'
import { readMetrics } from '../support/metrics.js'
import { publishPacket, publishSos, readEventLog, sosPayload, timestampOf } from '../support/publishing.js'
import { logIn } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'

const LIMIT_BYTES = 65_536
const COUNT = 400

t.test('telemetry beyond JOURNAL_TELEMETRY_BYTES_MAX: the oldest goes, counted; an SOS stays', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, {
    env: {
      REDIS_URL: redis.url,
      JOURNAL_TELEMETRY_BYTES_MAX: String(LIMIT_BYTES),
      TELEMETRY_RATE: '1000000',
      TELEMETRY_BURST: '1000000',
    },
  })
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('alice'))
  await redis.stop()
  t.ok(await publishSos(client, 1))
  const note = 'x'.repeat(600)
  for (let n = 1; n <= COUNT; n++)
    client.sendPacket(publishPacket('tel/data', JSON.stringify({ ...JSON.parse(sosPayload(n)), note }), n))
  for (let n = 1; n <= COUNT; n++) await client.nextOf('puback')
  t.ok(await publishSos(client, 2))

  const read = await readMetrics(broker)
  const left = read('connect_broker_journal_entries', { kind: 'telemetry' })
  t.equal(
    left + read('connect_broker_journal_dropped_total', { kind: 'telemetry' }),
    COUNT,
    'each is counted',
  )
  t.equal(read('connect_broker_journal_entries', { kind: 'sos' }), 2)
  await redis.start()
  await untilReady(broker)
  const kept = await readTelemetry(redis)
  t.strictSame(
    kept,
    Array.from({ length: left }, (_, i) => `alice ${timestampOf(COUNT - left + 1 + i)}`),
    `the newest ${left}`,
  )
  // At about 1,000 bytes each; an eighth goes at a time.
  t.ok(kept.length * 1_200 > LIMIT_BYTES * 0.75, 'no more than had to')
  t.ok(kept.length * 900 < LIMIT_BYTES)
  t.strictSame(
    (await readEventLog(redis)).map(({ report }) => report?.timestamp),
    [1, 2].map(timestampOf),
  )
})

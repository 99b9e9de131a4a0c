import { readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBroker } from '../support/broker.js'
import { createPhone } from '../support/http.js'
import { readTelemetry } from '../support/journal.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import type { Reading } from '../support/metrics.js'
import {
  publishPacket,
  publishSos,
  sosPayload,
  subscribeToEvents,
  timestampOf,
} from '../support/publishing.js'
import { logIn } from '../support/raw-client.js'
import { readReadiness, untilReady } from '../support/readiness.js'
import { startRedis } from '../support/redis.js'

t.test(
  'a file of the journal that cannot be read any more holds up nobody whose report is in another',
  async (t) => {
    const redis = await startRedis(t)
    const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
    await redis.stop()
    const alice = await logIn(t, broker.ports.mqtt, broker.credentials('alice'))
    // More than a segment.
    const message = 'x'.repeat(60_000)
    for (let n = 1; n <= 16; n++) {
      alice.sendPacket(publishPacket('sos/alerts', JSON.stringify({ timestamp: timestampOf(n), message }), n))
      t.equal((await alice.nextOf('puback')).messageId, n)
    }
    const bob = await logIn(t, broker.ports.mqtt, broker.credentials('bob'))
    const events = await subscribeToEvents(bob, ['sos/events/bob'])
    t.ok(await publishSos(bob, 1))
    const journal = join(broker.dataDir, 'journal')
    const files = readdirSync(journal).toSorted()
    t.equal(files.length, 2)
    rmSync(join(journal, files[0]!))
    await redis.start()
    t.match(await events.until((seen) => seen.length > 0), [{ occurredAt: timestampOf(1) }])
    t.match(await broker.logged(({ msg }) => msg === 'journal: a file cannot be read'), { reason: /ENOENT/ })
    t.equal(
      (await createPhone(broker, broker.credentials('alice')).get('/v1/sdk/sos')).status,
      503,
      'never null',
    )
  },
)

t.test('telemetry in a file that cannot be read for a while is brought when it can, and once', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url, JOURNAL_TELEMETRY_BYTES_MAX: '65536' } })
  await redis.stop()
  const alice = await logIn(t, broker.ports.mqtt, broker.credentials('alice'))
  const journal = join(broker.dataDir, 'journal')
  const files = () => readdirSync(journal).filter((name) => name.startsWith('telemetry'))
  let sent = 0
  while (files().length < 2) {
    alice.sendPacket(publishPacket('tel/data', sosPayload(++sent), 1))
    t.equal((await alice.nextOf('puback')).messageId, 1)
  }
  const first = join(journal, files().toSorted()[0]!)
  renameSync(first, `${first}.away`)
  await redis.start()
  await metricsUntil(
    broker,
    (read) => read('connect_broker_journal_replayed_total', { kind: 'telemetry' }) > 0,
  )
  await broker.logged(({ msg }) => msg === 'journal: a file cannot be read')
  renameSync(`${first}.away`, first)
  await metricsUntil(broker, (read) => read('connect_broker_journal_entries', { kind: 'telemetry' }) === 0)
  t.strictSame(
    await readTelemetry(redis),
    [sent, ...Array.from({ length: sent - 1 }, (_, n) => n + 1)].map((n) => `alice ${timestampOf(n)}`),
    'all of it, the last one before the others',
  )
})

t.test('an SOS in a file that cannot be read at a start is raised once the file can be read', async (t) => {
  const redis = await startRedis(t)
  const before = await startBroker(t, { env: { REDIS_URL: redis.url } })
  await redis.stop()
  t.ok(await publishSos(await logIn(t, before.ports.mqtt, before.credentials('alice')), 1))
  await before.stop('SIGKILL')
  const journal = join(before.dataDir, 'journal')
  const [file] = readdirSync(journal) as [string]
  // Root may read whatever its rights say, but no link that leads to itself.
  renameSync(join(journal, file), join(journal, 'kept'))
  symlinkSync(file, join(journal, file))

  await redis.start()
  const broker = await startBroker(t, { dataDir: before.dataDir, env: { REDIS_URL: redis.url } })
  t.match(await broker.logged(({ msg }) => msg === 'journal: a file cannot be read'), {
    file,
    reason: 'ELOOP',
  })
  const { status, reasons } = await readReadiness(broker)
  t.equal(status, 'degraded')
  t.match(reasons, [new RegExp(`${file}.*ELOOP`)])
  const unreadable = (read: Reading) => read('connect_broker_journal_unreadable_files', { kind: 'sos' })
  t.equal(unreadable(await readMetrics(broker)), 1)

  const events = await subscribeToEvents(await logIn(t, broker.ports.mqtt, broker.credentials('alice')), [
    'sos/events/alice',
  ])
  renameSync(join(journal, 'kept'), join(journal, file))
  t.match(await events.until((seen) => seen.length > 0), [{ type: 'processed', occurredAt: timestampOf(1) }])
  t.match(await broker.logged(({ msg }) => msg === 'journal: a file is read again'), { file, entries: 1 })
  t.equal(unreadable(await readMetrics(broker)), 0)
  await untilReady(broker)
})

import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { createPhone } from '../support/http.js'
import { readMetrics } from '../support/metrics.js'
import { publishPacket, publishSos, readEventLog, sosPayload, timestampOf } from '../support/publishing.js'
import { logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import type { RedisServer } from '../support/redis.js'
import { readTelemetry } from '../support/journal.js'
import { untilReady } from '../support/readiness.js'

/** [MQTT5 3.14.2.1]: 0x88, Server unavailable, exists in CONNACK only. */
const SERVER_UNAVAILABLE = 0x88
const FAST = { TELEMETRY_RATE: '1000000', TELEMETRY_BURST: '1000000' }
const NAMES = ['alice', 'bob', 'carol', 'dave']

t.test('a full disk takes no SOS that it acknowledges and loses none that it did', async (t) => {
  const dataDir = temporaryDirectory(t)
  const disk = mountSmallDisk(t, join(dataDir, 'journal'))
  if ('reason' in disk) return t.pass('a small file system', { skip: disk.reason })
  const redis = await startRedis(t)
  const broker = await startBroker(t, {
    // Four segments of telemetry fill the disk.
    env: { REDIS_URL: redis.url, JOURNAL_TELEMETRY_BYTES_MAX: '524288', ...FAST },
    dataDir,
  })
  await redis.stop()

  // In one file with more reports than are marked as done at a time; there is no room for a mark then.
  const erin = await logIn(t, broker.ports.mqtt, broker.credentials('erin'))
  const early = await publishAll(erin, 'sos/alerts', 100, '')
  t.equal(early.acknowledged.length, 100)

  const sent = 100
  const walker = await logIn(t, broker.ports.mqtt, broker.credentials('walker'))
  const telemetry = await publishAll(walker, 'tel/data', sent, 'x'.repeat(6_000))
  t.equal(telemetry.acknowledged.length, sent, 'telemetry that is newer takes the room of what is older')
  const dropped = (await readMetrics(broker))('connect_broker_journal_dropped_total')
  t.ok(dropped > 0 && dropped < sent, `${dropped} of ${sent} dropped`)

  const refused = await Promise.all(
    NAMES.map(async (name) => {
      const client = await logIn(t, broker.ports.mqtt, broker.credentials(name), { protocolVersion: 5 })
      return publishAll(client, 'sos/alerts', 300, 'x'.repeat(700))
    }),
  )
  const acknowledged = refused.flatMap((one, i) =>
    one.acknowledged.map((n) => `${NAMES[i]} ${timestampOf(n)}`),
  )
  t.ok(acknowledged.length > 100, `${acknowledged.length} SOS fit`)
  for (const { acknowledged: own, disconnect } of refused) {
    t.ok(own.length < 300)
    t.equal(disconnect, SERVER_UNAVAILABLE)
  }
  acknowledged.push(...early.acknowledged.map((n) => `erin ${timestampOf(n)}`))
  // One at a time: each took the last room that the others were too large for.
  const classic = await logIn(t, broker.ports.mqtt, broker.credentials('classic'))
  for (let n = 1; n < 100 && (await publishSos(classic, n, n)); n++)
    acknowledged.push(`classic ${timestampOf(n)}`)
  t.strictSame(await classic.untilClosed(), [], '3.1.1 is closed without a word')
  const late = await logIn(t, broker.ports.mqtt, broker.credentials('walker'), { protocolVersion: 5 })
  t.equal((await publishAll(late, 'tel/data', 1, '')).disconnect, SERVER_UNAVAILABLE)
  t.match(await broker.logged(({ msg, kind }) => msg === 'not stored, not acknowledged' && kind === 'sos'), {
    reason: /ENOSPC/,
  })
  t.ok(await broker.logged(({ msg }) => msg === 'journal: the oldest telemetry had to go'))
  const read = await readMetrics(broker)
  t.equal(read('connect_broker_journal_entries', { kind: 'telemetry' }), 0, 'all of it gave way')
  t.equal(read('connect_broker_journal_dropped_total'), sent)

  await redis.start()
  await untilReady(broker)
  await holdsEachOnce(t, redis, acknowledged)
  for (const name of [...NAMES, 'erin'])
    t.match((await createPhone(broker, broker.credentials(name)).get('/v1/sdk/sos')).json, {
      incident: { state: 'active' },
    })
  t.strictSame(await readTelemetry(redis), [])

  await redis.stop()
  const again = await logIn(t, broker.ports.mqtt, broker.credentials('alice'), { protocolVersion: 5 })
  t.ok(await publishSos(again, 1_001), 'there is room again')
  t.equal((await publishAll(again, 'tel/data', 1, 'x')).acknowledged.length, 1)
  await redis.start()
  await untilReady(broker)
  await holdsEachOnce(t, redis, [...acknowledged, `alice ${timestampOf(1_001)}`])
  t.strictSame(await readTelemetry(redis), [`alice ${timestampOf(1)}`])
})

t.test(
  'a disk that refuses to grow a file: nothing is acknowledged until it takes it, without a restart',
  async (t) => {
    const redis = await startRedis(t)
    const broker = await startBroker(t, { env: { REDIS_URL: redis.url, PACKET_BYTES_MAX: '1000000' } })
    await redis.stop()
    const limitFiles = (bytes: string) =>
      execFileSync('prlimit', ['--pid', String(broker.child.pid), `--fsize=${bytes}:unlimited`])
    const alice = () => logIn(t, broker.ports.mqtt, broker.credentials('alice'), { protocolVersion: 5 })
    t.ok(await publishSos(await alice(), 1))
    limitFiles('20000') // write(2) then takes a part, and the rest fails with EFBIG
    for (const n of [2, 3]) {
      const { acknowledged, disconnect } = await publishAll(
        await alice(),
        'sos/alerts',
        1,
        'x'.repeat(40_000),
        n,
      )
      t.strictSame([acknowledged, disconnect], [[], SERVER_UNAVAILABLE])
    }
    t.ok(await publishSos(await alice(), 4), 'what fits is taken')
    t.match(await broker.logged(({ msg }) => msg === 'not stored, not acknowledged'), { reason: /EFBIG/ })
    limitFiles('unlimited')
    const { acknowledged } = await publishAll(await alice(), 'sos/alerts', 1, 'x'.repeat(40_000), 5)
    t.strictSame(acknowledged, [5])
    await broker.stop('SIGKILL')

    const again = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir: broker.dataDir })
    t.notOk(
      again.log.some(({ msg }) => msg?.startsWith('journal: a part')),
      'no half was left',
    )
    await redis.start()
    await untilReady(again)
    await holdsEachOnce(
      t,
      redis,
      [1, 4, 5].map((n) => `alice ${timestampOf(n)}`),
    )
  },
)

t.test(
  'a journal with a torn tail: the start says so, what is readable is raised, the file is set aside',
  async (t) => {
    const redis = await startRedis(t)
    await redis.stop()
    const dataDir = temporaryDirectory(t)
    const first = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir })
    const alice = await logIn(t, first.ports.mqtt, first.credentials('alice'))
    for (const n of [1, 2, 3]) t.ok(await publishSos(alice, n))
    t.equal((await publishAll(alice, 'tel/data', 3, '')).acknowledged.length, 3)
    await first.stop('SIGKILL')
    const journal = join(dataDir, 'journal')
    const [sos, telemetry] = readdirSync(journal).toSorted() as [string, string]
    const bytes = readFileSync(join(journal, sos))
    writeFileSync(join(journal, sos), bytes.subarray(0, bytes.length - 20)) // as a loss of power leaves it
    appendFileSync(join(journal, telemetry), Buffer.alloc(4_096)) // as some file systems do

    const second = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir })
    const found = second.log.filter(({ msg }) => msg?.startsWith('journal: a part of a file cannot be read'))
    t.match(found, [
      { file: sos, entries: 2, damagedBytes: bytes.length / 3 - 20 },
      { file: telemetry, entries: 3, damagedBytes: 4_096 },
    ])
    t.equal(found.length, 2)
    await redis.start()
    await untilReady(second)
    await holdsEachOnce(t, redis, [`alice ${timestampOf(1)}`, `alice ${timestampOf(2)}`])
    t.strictSame(
      await readTelemetry(redis),
      [1, 2, 3].map((n) => `alice ${timestampOf(n)}`),
    )
    t.strictSame(readdirSync(journal).toSorted(), [`${sos}.damaged`, `${telemetry}.damaged`])
  },
)

/** Publishes all at once. What was acknowledged, in order, and the reason if the broker ended the connection. */
async function publishAll(client: RawClient, topic: string, count: number, message: string, from = 1) {
  for (let n = from; n < from + count; n++)
    client.sendPacket(publishPacket(topic, JSON.stringify({ ...JSON.parse(sosPayload(n)), message }), n))
  const acknowledged: number[] = []
  while (acknowledged.length < count) {
    const packet = await client.next()
    if (packet.cmd === 'disconnect') return { acknowledged, disconnect: packet.reasonCode }
    if (packet.cmd === 'puback') acknowledged.push(packet.messageId as number)
  }
  return { acknowledged, disconnect: null }
}

/**
 * Each of these reports once in Redis, those of one user in their order. A report that was not acknowledged, because
 * its connection ended first, may be there too, once.
 */
async function holdsEachOnce(t: Test, redis: RedisServer, reports: string[]): Promise<void> {
  const found = (await readEventLog(redis)).map(
    ({ externalUserId, report }) => `${externalUserId} ${report?.timestamp}`,
  )
  t.equal(new Set(found).size, found.length, 'nothing twice')
  const nameOf = (report: string) => report.split(' ')[0] as string
  for (const name of new Set(reports.map(nameOf)))
    t.strictSame(
      found.filter((report) => nameOf(report) === name && reports.includes(report)),
      reports.filter((report) => nameOf(report) === name),
      `the reports of ${name}`,
    )
}

/** A file system of 256 KiB; taken away when the test ends. */
function mountSmallDisk(t: Test, directory: string): { reason: string } | { is: 'mounted' } {
  mkdirSync(directory)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory], { stdio: 'pipe' })
  } catch (error) {
    return { reason: String((error as { stderr?: Buffer }).stderr ?? error).trim() }
  }
  t.teardown(() => execFileSync('umount', [directory]))
  return { is: 'mounted' }
}

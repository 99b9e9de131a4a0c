import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, startBroker, temporaryDirectory } from '../support/broker.js'
import { createPhone } from '../support/http.js'
import { readTelemetry } from '../support/journal.js'
import { untilReady } from '../support/readiness.js'
import {
  publishPacket,
  publishSos,
  readEventLog,
  sosPayload,
  subscribeToEvents,
  timestampOf,
} from '../support/publishing.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'

const HOUR_MS = 3_600_000
const file = join(temporaryDirectory(t), 'offset')
const setClock = (offsetMs: number) => writeFileSync(file, String(offsetMs))
setClock(0)
const redis = await startRedis(t)
const broker = await startBroker(t, {
  env: {
    REDIS_URL: redis.url,
    CLOCK_OFFSET_FILE: file,
    STORE_TIMEOUT_MS: '2000', // a machine that is busy for a moment is no outage
    REPORT_KEYS_PER_USER: '200',
    LOGIN_FAILURES_PER_IDENTITY: '3',
    LIMIT_LOOPBACK: 'true',
    TELEMETRY_RATE: '500',
    TELEMETRY_BURST: '2',
  },
  nodeOptions: ['--import', join(root, 'dist/test/support/shifted-clock.js')],
})
const logInAs = (name: string) => logIn(t, broker.ports.mqtt, broker.credentials(name))
const reportsOf = async (name: string) =>
  (await readEventLog(redis))
    .filter(({ externalUserId }) => externalUserId === name)
    .map(({ report }) => report?.timestamp)

t.test(
  'a report that comes again after the clock was set back is one, however many came before',
  async (t) => {
    setClock(5 * HOUR_MS)
    const client = await logInAs('busy')
    for (let n = 1; n <= 210; n++) client.sendPacket(publishPacket('sos/alerts', sosPayload(n), n))
    for (let n = 1; n <= 210; n++) await client.nextOf('puback')
    setClock(0)
    for (const n of [301, 302, 301, 302, 210]) t.ok(await publishSos(client, n))
    await untilReady(broker)
    t.strictSame((await reportsOf('busy')).slice(-3), [210, 301, 302].map(timestampOf))
    t.equal((await reportsOf('busy')).length, 212)
  },
)

t.test(
  'while the clock jumps, sessions, pacing, throttle, events, history and incidents go on',
  async (t) => {
    const alice = await logInAs('alice')
    const events = await subscribeToEvents(await logInAs('alice'), ['sos/events/alice'])
    const phone = createPhone(broker, broker.credentials('alice'))
    const offsets = [0, 30, -30, 24 * 300, 0].map((hours) => hours * HOUR_MS)
    for (const [i, offset] of offsets.entries()) {
      setClock(offset)
      t.ok(await publishSos(alice, i * 2))
      for (let n = 1; n <= 10; n++) alice.sendPacket(publishPacket('tel/data', sosPayload(i * 10 + n), n))
      for (let n = 1; n <= 10; n++) t.equal((await alice.nextOf('puback')).messageId, n, 'paced, not stalled')
      t.ok(await publishSos(alice, i * 2 + 1))
      t.match((await phone.get('/v1/sdk/sos')).json, { incident: { timestamp: timestampOf(i * 2 + 1) } })
      t.match((await phone.post('/v1/sdk/sos/cancel')).json, { incident: { state: 'cancelled' } })
      t.match((await phone.get('/v1/sdk/sos')).json, { incident: null })
    }
    const copies = await events.until((seen) => seen.length === offsets.length * 3)
    t.strictSame(
      copies.map(({ type, snapshotVersion }) => [type, snapshotVersion]),
      offsets.flatMap(() => [
        ['processed', 1],
        ['processed', 2],
        ['cancelled', undefined],
      ]),
    )
    const { incidents } = (await phone.get('/v1/sdk/sos/history')).json as { incidents: unknown[] }
    t.equal(incidents.length, offsets.length, 'each is in the history')
    t.strictSame(
      (await readTelemetry(redis)).toSorted(),
      Array.from({ length: 50 }, (_, i) => `alice ${timestampOf(i + 1)}`),
    )

    setClock(0)
    const wrong = { ...broker.credentials('mallory'), password: '0'.repeat(64) }
    const codes = []
    for (const offset of [0, 0, 0, -HOUR_MS, -24 * HOUR_MS]) {
      setClock(offset)
      codes.push(await refusalOf(wrong))
    }
    t.strictSame(codes, [0x87, 0x87, 0x87, 0x9f, 0x9f], 'a clock that was set back lets nobody guess on')
    t.ok(await logInAs('mallory-not'), 'and locks out nobody else')

    async function refusalOf({ username, password }: { username: string; password: string }) {
      const client = await connectRaw(t, broker.ports.mqtt, 5)
      client.sendPacket({
        cmd: 'connect',
        protocolVersion: 5,
        protocolId: 'MQTT',
        clean: true,
        clientId: 'guess',
        keepalive: 30,
        username,
        password: Buffer.from(password),
      })
      return (await client.nextOf('connack')).reasonCode
    }
  },
)

t.test('the journal keeps its order and its entries while the clock jumps', async (t) => {
  const bob = await logInAs('bob')
  const noClock = await logInAs('no-clock')
  await redis.stop()
  const offsets = [0, 48, -48, 0].map((hours) => hours * HOUR_MS)
  for (const [i, offset] of offsets.entries()) {
    setClock(offset)
    t.ok(await publishSos(bob, i))
    noClock.sendPacket(publishPacket('sos/alerts', '{}', i + 1))
    t.equal((await noClock.nextOf('puback')).messageId, i + 1)
    bob.sendPacket(publishPacket('tel/data', sosPayload(1_000 + i), 9))
    await bob.nextOf('puback')
  }
  await redis.start()
  await untilReady(broker)
  t.strictSame(await reportsOf('bob'), [0, 1, 2, 3].map(timestampOf))
  t.equal((await reportsOf('no-clock')).length, offsets.length)
  t.strictSame(
    (await readTelemetry(redis)).filter((one) => one.startsWith('bob')),
    [0, 1, 2, 3].map((i) => `bob ${timestampOf(1_000 + i)}`),
  )
})

t.test(
  'contract 5: a phone whose clock is wrong by hours, jumps or names no zone is counted as it comes',
  async (t) => {
    setClock(0)
    const client = await logInAs('wrong-clock')
    const events = await subscribeToEvents(client, ['sos/events/wrong-clock'])
    const here = new Date()
    const times = [
      new Date(here.getTime() + 6 * HOUR_MS).toISOString(),
      new Date(here.getTime() - 9 * HOUR_MS).toISOString().replace('Z', ''), // no zone is UTC
      here.toISOString(),
      new Date(here.getTime() - 20 * 365 * 24 * HOUR_MS).toISOString(),
    ]
    for (const [n, timestamp] of times.entries()) {
      client.sendPacket(publishPacket('sos/alerts', JSON.stringify({ timestamp }), n + 1))
      client.sendPacket(publishPacket('sos/alerts', JSON.stringify({ timestamp }), n + 11))
    }
    const copies = await events.until((seen) => seen.length === times.length)
    t.strictSame(
      copies.map(({ occurredAt }) => Date.parse(occurredAt)),
      times.map((text) => Date.parse(text.endsWith('Z') ? text : `${text}Z`)),
    )
    t.equal(new Set(copies.map(({ incidentId }) => incidentId)).size, 1)
    t.equal((await reportsOf('wrong-clock')).length, times.length, 'each once')
  },
)

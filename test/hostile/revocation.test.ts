import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { askAgain } from '../support/ask-again.js'
import { APPS, backendOf, sdkOf } from '../support/api.js'
import type { Answer } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import type { Broker, Credentials, LogLine } from '../support/broker.js'
import { openEventStream } from '../support/event-stream.js'
import { codeOf, connectPhone, refusedConnack } from '../support/phone.js'
import type { Phone, Version } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { openOtherNode, writeApps } from '../support/stored.js'
import { user } from '../support/stores.js'

// Two nodes with one apps file, and a Redis between them.
const file = writeApps(join(temporaryDirectory(t), 'apps.json'), APPS)
const FAILURES = 20
const redis = await startRedis(t)
const env = {
  REDIS_URL: redis.url,
  APPS_FILE: file,
  LIMIT_LOOPBACK: 'true',
  LOGIN_FAILURES_PER_IDENTITY: String(FAILURES),
}
const nodes = [await startBroker(t, { env }), await startBroker(t, { env })] as const
const [here, there] = nodes
const OLD = 'old secret of a'
const NEW = 'new secret of a: ñ'

type Tap = Parameters<typeof connectPhone>[0]

t.test(
  'a revoked user loses his sessions on every node and gets no other, until he is unrevoked',
  async (t) => {
    const alice = here.credentials('alice', 'app-a')
    const phones = await openEverywhere(t, alice)
    const others = [
      ...(await openEverywhere(t, here.credentials('bob', 'app-a'))),
      ...(await openEverywhere(t, here.credentials('alice', 'app-b'))),
    ]
    t.equal(await phones[0]!.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' }), 0)

    const { body } = await backendOf(here).post('/users/alice/revoke')
    await areEnded(t, phones)
    await isRefused(t, alice, 'revoked-user')
    for (const node of nodes)
      t.match((await backendOf(node).get('/users/alice')).body, {
        revokedAt: body.user?.revokedAt,
        incident: { state: 'active' },
        sessions: [],
      })
    const { incidents } = (await backendOf(there).get('/incidents')).body
    t.match(incidents, [{ user: { externalUserId: 'alice' }, state: 'active' }], 'the SOS is still open')
    const acknowledged = await backendOf(there).post(`/incidents/${incidents?.[0]?.id}/acknowledge`)
    t.match(acknowledged.body.incident, { state: 'acknowledged' })
    await areUndisturbed(t, others)

    t.equal((await backendOf(there).post('/users/alice/unrevoke')).body.user?.revokedAt, null)
    await until(
      () => backendOf(here).get('/users/alice'),
      ({ body }) => body.revokedAt === null,
    )
    for (const node of nodes)
      t.match((await sdkOf(node, alice).get('/sos')).body.incident, { state: 'acknowledged' })
    await areUndisturbed(t, await openEverywhere(t, alice))
  },
)

t.test('while Redis is away the last known set holds, and on its return it is read again', async (t) => {
  const [carol, dan] = [here.credentials('carol', 'app-a'), here.credentials('dan', 'app-a')]
  const phones = await openEverywhere(t, dan)
  await backendOf(here).post('/users/carol/revoke')
  await until(
    () => backendOf(there).get('/users/carol'),
    ({ body }) => body.revokedAt !== null,
  )

  const away = nodes.map((node) =>
    loggedNext(node, ({ msg }) => /revoked users cannot be read/.test(msg ?? '')),
  )
  await redis.stop()
  await Promise.all(away)
  await isRefused(t, carol, 'revoked-user')
  t.equal((await backendOf(here).post('/users/dan/revoke')).status, 503)
  await areUndisturbed(t, phones)

  const back = nodes.map((node) => loggedNext(node, ({ msg }) => msg === 'revoked users are read again'))
  await redis.start()
  // By another node, which may have Redis back before these two.
  const other = await openOtherNode(t, redis.url)
  await other.revocations.revoke(user('dan', 'app-a'), new Date().toISOString())
  await areEnded(t, phones)
  await Promise.all(back)
  await isRefused(t, carol, 'revoked-user')
  await isRefused(t, dan, 'revoked-user')
})

t.test('nodes count failed logins together, and each alone while Redis is away', async (t) => {
  const fail = async (node: Broker, name: string) =>
    (await sdkOf(node, { ...here.credentials(name, 'app-a'), password: '0'.repeat(64) }).get('/sos')).status
  for (let i = 0; i < FAILURES; i++) t.equal(await fail(here, 'gil'), 401)
  t.equal(await fail(here, 'gil'), 429)
  // The other node hears of it with its own first failure: after that answer, and long before its own limit.
  let tries = 0
  while ((await fail(there, 'gil')) === 401) tries++
  t.ok(tries < FAILURES, `refused after ${tries} failures there`)
  for (const node of nodes)
    t.equal((await sdkOf(node, here.credentials('hal', 'app-a')).get('/sos')).status, 200)
  const keys = await redis.client.keys('*login-failures*')
  t.notMatch(keys.join(), /gil|127/, 'neither names nor addresses stand in Redis')
  for (const key of keys) t.ok((await redis.client.ttl(key)) <= 60, 'and what stands there is soon forgotten')

  await redis.stop()
  for (let i = 0; i < FAILURES; i++) t.equal(await fail(there, 'ian'), 401)
  t.equal(await fail(there, 'ian'), 429)
  await redis.start()
  await until(
    () => backendOf(here).get('/incidents'),
    ({ status }) => status === 200,
  )
  await until(
    () => backendOf(there).get('/incidents'),
    ({ status }) => status === 200,
  )
})

t.test('a removed secret ends what came in by it, on every node, and nothing else', async (t) => {
  const byOld = here.credentials('erin', 'app-a', OLD)
  const byNew = here.credentials('erin', 'app-a', NEW)
  const ending = await openEverywhere(t, byOld)
  const staying = await openEverywhere(t, byNew)
  const streams = await Promise.all(nodes.map((node) => openEventStream(t, node)))
  const poll = backendOf(here).get('/events?after=9999999999999&wait=60')

  writeApps(file, [{ appId: 'app-a', secrets: [NEW] }, APPS[1]!])
  await areEnded(t, ending)
  await isRefused(t, byOld, 'wrong-hash')
  for (const stream of streams) {
    while ((await stream.next()) !== null);
    t.pass('a stream of events that the secret opened has ended')
  }
  t.equal((await poll).status, 401, 'and so has a long poll')
  for (const node of nodes) {
    t.equal((await backendOf(node, 'app-a', OLD).get('/incidents')).status, 401)
    t.equal((await backendOf(node, 'app-a', NEW).get('/incidents')).status, 200)
    t.equal((await sdkOf(node, byNew).get('/me')).status, 200)
  }
  await areUndisturbed(t, staying)
})

t.test('a disabled app loses its sessions on every node and gets no other', async (t) => {
  const ending = await openEverywhere(t, here.credentials('fay', 'app-b'))
  const staying = await openEverywhere(t, here.credentials('fay', 'app-a', NEW))
  writeApps(file, [
    { appId: 'app-a', secrets: [NEW] },
    { ...APPS[1]!, disabled: true },
  ])
  await areEnded(t, ending)
  await isRefused(t, here.credentials('fay', 'app-b'), 'disabled-app')
  await areUndisturbed(t, staying)
  for (const { log } of nodes) t.notMatch(JSON.stringify(log), /secret of/, 'no secret is in the log')
  t.match(readFileSync(file, 'utf8'), /secret of/, 'where it would be found')
})

/** A session of each version of MQTT on each node. */
async function openEverywhere(t: Tap, credentials: Credentials): Promise<Phone[]> {
  const all = nodes.flatMap((node) =>
    ([4, 5] as Version[]).map((version) => connectPhone(t, node.ports.mqtt, credentials, { version })),
  )
  return Promise.all(all)
}

async function areEnded(t: Tap, phones: Phone[]): Promise<void> {
  const ends = await Promise.all(phones.map((phone) => phone.closed()))
  t.strictSame(
    ends.map((end) => end?.reasonCode),
    [undefined, 0x98, undefined, 0x98],
    'MQTT 5: administrative action; 3.1.1 has no word for it',
  )
}

async function areUndisturbed(t: Tap, phones: Phone[]): Promise<void> {
  for (const phone of phones)
    t.equal(
      await phone.publish('tel/data', { timestamp: '2026-05-01T10:00:00Z', latitude: 1, longitude: 2 }),
      0,
    )
}

async function isRefused(t: Tap, credentials: Credentials, why: string): Promise<void> {
  const { username, password } = credentials
  for (const node of nodes) {
    for (const [version, code] of [
      [4, 5],
      [5, 0x87],
    ] as const) {
      const logged = loggedNext(node, ({ msg }) => msg === 'login refused')
      const connect = { protocolVersion: version, username, password: Buffer.from(password) }
      t.equal(codeOf(await refusedConnack(t, node.ports.mqtt, connect)), code)
      t.match(await logged, { why, appId: credentials.appId })
    }
    t.equal((await sdkOf(node, credentials).get('/sos')).status, 401)
    t.equal((await sdkOf(node, credentials).post('/sos', {})).status, 401)
  }
}

/** Resolves when a line that fits is logged from here on. */
function loggedNext(node: Broker, fits: (line: LogLine) => boolean): Promise<LogLine> {
  const past = new Set(node.log)
  return node.logged((line) => !past.has(line) && fits(line))
}

async function until(ask: () => Promise<Answer>, fits: (answer: Answer) => boolean): Promise<void> {
  while (!fits(await ask())) await askAgain()
}

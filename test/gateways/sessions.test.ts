import { join } from 'node:path'
import t from 'tap'
import { backendOf } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import type { Broker, LogLine } from '../support/broker.js'
import { ANDROID, connectGateway, makeGateway, NODE } from '../support/gateways.js'
import type { GatewayClient, GatewayCredentials } from '../support/gateways.js'
import { refusedConnack } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { writeApps } from '../support/stored.js'

// Two nodes with one apps file, and a Redis between them.
const APPS = [
  { appId: 'app-a', secrets: ['old secret of a'] },
  { appId: 'app-b', secrets: ['secret of b'] },
]
const file = writeApps(join(temporaryDirectory(t), 'apps.json'), APPS)
const redis = await startRedis(t)
const FAILURES = 5
const env = {
  REDIS_URL: redis.url,
  APPS_FILE: file,
  LIMIT_LOOPBACK: 'true',
  LOGIN_FAILURES_PER_IDENTITY: String(FAILURES),
  SESSIONS_PER_GATEWAY: '4',
}
const nodes = [await startBroker(t, { env }), await startBroker(t, { env })] as const
const [here, there] = nodes
const TOPIC = 'msh/2/e/LongFast/!a1b2c3d4'

type Tap = Parameters<typeof connectGateway>[0]

t.test('while a token is replaced both are good, and the end of one ends what came in by it', async (t) => {
  const old = await makeGateway(here, 'roof')
  await allKnow()
  const byOld = await openEverywhere(t, old)
  const { text } = await backendOf(there).post('/gateways/roof/rotate')
  const newest = { ...old, password: (JSON.parse(text) as { token: string }).token }
  await allKnow()
  const byNewest = await openEverywhere(t, newest)
  await areUndisturbed(t, [...byOld, ...byNewest])

  await backendOf(here).delete('/gateways/roof/old-token')
  await areEnded(t, byOld)
  await areUndisturbed(t, byNewest)
  await isRefused(t, old, 'wrong-token')

  const again = JSON.parse((await backendOf(here).post('/gateways/roof/rotate')).text) as { token: string }
  await backendOf(here).post('/gateways/roof/rotate')
  await areEnded(t, byNewest, 'the third token ends the first of the three')
  await allKnow()
  await areUndisturbed(t, await openEverywhere(t, { ...old, password: again.token }))
})

t.test(
  'a deleted gateway loses its sessions on every node, and its name is nobody until it is made anew',
  async (t) => {
    const [alm, hut, namesake] = [
      await makeGateway(here, 'alm'),
      await makeGateway(here, 'hut'),
      await makeGateway(here, 'alm', 'app-b'),
    ]
    for (const appId of ['app-a', 'app-b']) await allKnow(appId)
    const ending = await openEverywhere(t, alm)
    const staying = [...(await openEverywhere(t, hut)), ...(await openEverywhere(t, namesake))]
    t.equal((await backendOf(there).delete('/gateways/alm')).status, 204)
    await areEnded(t, ending)
    for (const node of nodes)
      t.match(
        await node.logged(({ gatewayId, msg }) => gatewayId === 'alm' && /no longer holds/.test(msg ?? '')),
        { why: 'revoked-gateway', appId: 'app-a' },
      )
    await isRefused(t, alm, 'unknown-gateway')
    await areUndisturbed(t, staying)

    await makeGateway(there, 'alm')
    await allKnow()
    await isRefused(t, alm, 'wrong-token')
  },
)

t.test('a node with a mistyped token is limited alone, at its address', async (t) => {
  const [good, mistyped] = [await makeGateway(here, 'good'), await makeGateway(here, 'mistyped')]
  await connectGateway(t, here, mistyped)
  const wrong = { ...mistyped, password: 'x'.repeat(24) }
  for (let i = 0; i < FAILURES; i++) {
    const login = { ...wrong, username: `gw:app-a:guess${i}` }
    t.equal((await refusedConnack(t, here.ports.mqtt, connectOf(login, 4))).returnCode, 5)
    t.equal(
      (await refusedConnack(t, here.ports.mqtt, connectOf({ ...wrong, username: 'gw:app-a:limited' }, 4)))
        .returnCode,
      5,
    )
  }
  const logged = loggedNext(here, ({ why }) => why === 'throttled')
  const limited = connectOf({ ...wrong, username: 'gw:app-a:limited' }, 5)
  t.equal((await refusedConnack(t, here.ports.mqtt, limited)).reasonCode, 0x9f)
  t.match(await logged, { appId: 'app-a', gatewayId: 'limited' })
  await connectGateway(t, here, good)
  // Whoever was there before is not locked out by what others do in its name.
  for (let i = 0; i <= FAILURES; i++) await refusedConnack(t, here.ports.mqtt, connectOf(wrong, 4))
  await connectGateway(t, here, mistyped)
})

t.test('a gateway has so many sessions, and the oldest gives way', async (t) => {
  const many = await makeGateway(here, 'many')
  const other = await makeGateway(here, 'other')
  const staying = await connectGateway(t, here, other, ANDROID)
  const first = await connectGateway(t, here, many, ANDROID)
  const rest: GatewayClient[] = []
  for (const kind of [ANDROID, NODE, ANDROID, NODE]) rest.push(await connectGateway(t, here, many, kind))
  t.match((await first.raw.untilClosed()).at(-1), { cmd: 'disconnect', reasonCode: 0x8e })
  for (const one of [staying, ...rest]) await one.ping()
})

t.test("a disabled app's gateways are ended like its users", async (t) => {
  const login = await makeGateway(here, 'last', 'app-b')
  await allKnow('app-b')
  const ending = await openEverywhere(t, login)
  writeApps(file, [APPS[0]!, { ...APPS[1]!, disabled: true }])
  await areEnded(t, ending)
  await isRefused(t, login, 'disabled-app')
})

t.test(
  'while Redis is away gateways log in as they are known, and nobody hears why it was refused',
  async (t) => {
    const top = await makeGateway(here, 'top')
    await allKnow()
    const away = nodes.map((node) =>
      loggedNext(node, ({ msg }) => msg?.startsWith('gateways cannot be read') === true),
    )
    await redis.stop()
    await Promise.all(away)
    await areUndisturbed(t, await openEverywhere(t, top))
    t.equal((await backendOf(here).post('/gateways', { gatewayId: 'new' })).status, 503)
    t.equal((await backendOf(here).get('/gateways')).status, 503)

    // It has never read who is a gateway: that is no fault of the client, who is to come again.
    const blind = await startBroker(t, { env })
    for (const [version, code] of [
      [4, 3],
      [5, 0x88],
    ] as const) {
      const connack = await refusedConnack(t, blind.ports.mqtt, connectOf(top, version))
      t.equal(connack.reasonCode ?? connack.returnCode, code)
    }
    t.match(await blind.logged(({ msg }) => msg === 'login refused'), { why: 'gateways-unread' })
    // One that has known them before lets them in, and what they bring goes to its journal.
    t.equal(await there.stop(), 0)
    const known = await startBroker(t, { env, dataDir: there.dataDir })
    t.equal(await (await connectGateway(t, known, top)).publish(TOPIC, ''), 0)
    const wrong = connectOf({ ...top, password: 'x'.repeat(24) }, 4)
    t.equal((await refusedConnack(t, known.ports.mqtt, wrong)).returnCode, 5)

    const back = loggedNext(blind, ({ msg }) => msg === 'gateways are read again')
    await redis.start()
    await back
    await connectGateway(t, blind, top)
  },
)

function connectOf({ username, password }: GatewayCredentials, protocolVersion: 4 | 5) {
  return { protocolVersion, username, password: Buffer.from(password) }
}

/** Every node knows what there is now: to answer, it reads it. It would know by itself within a second. */
async function allKnow(appId = 'app-a'): Promise<void> {
  for (const node of nodes) await backendOf(node, appId).get('/gateways')
}

/** A session of each version of MQTT on each node. */
function openEverywhere(t: Tap, login: GatewayCredentials): Promise<GatewayClient[]> {
  return Promise.all(
    nodes.flatMap((node) => [NODE, ANDROID].map((kind) => connectGateway(t, node, login, kind))),
  )
}

async function areEnded(t: Tap, clients: GatewayClient[], about = 'MQTT 5: administrative action') {
  const ends = await Promise.all(clients.map(({ raw }) => raw.untilClosed()))
  t.strictSame(
    ends
      .map(
        (packets) => packets.find(({ cmd }) => cmd === 'disconnect') as { reasonCode?: number } | undefined,
      )
      .map((end) => end?.reasonCode),
    [undefined, 0x98, undefined, 0x98],
    about,
  )
}

async function areUndisturbed(t: Tap, clients: GatewayClient[]): Promise<void> {
  for (const client of clients) t.equal(await client.publish(TOPIC, ''), 0)
}

async function isRefused(t: Tap, login: GatewayCredentials, why: string): Promise<void> {
  const [, appId, gatewayId] = login.username.split(':')
  for (const node of nodes) {
    for (const [version, code] of [
      [4, 5],
      [5, 0x87],
    ] as const) {
      const logged = loggedNext(node, ({ msg }) => msg === 'login refused')
      const connack = await refusedConnack(t, node.ports.mqtt, connectOf(login, version))
      t.equal(connack.reasonCode ?? connack.returnCode, code)
      t.match(await logged, { why, appId, gatewayId })
    }
  }
}

/** Resolves when a line that fits is logged from here on. */
function loggedNext(node: Broker, fits: (line: LogLine) => boolean): Promise<LogLine> {
  const past = new Set(node.log)
  return node.logged((line) => !past.has(line) && fits(line))
}

import t from 'tap'
import { backendOf } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import type { LogLine } from '../support/broker.js'
import { ANDROID, connectGateway, makeGateway, NODE, writeMeshApps } from '../support/gateways.js'
import type { GatewayClient } from '../support/gateways.js'
import { encodeEnvelope } from '../support/mesh-packets.js'
import { readMetrics } from '../support/metrics.js'
import type { Reading } from '../support/metrics.js'
import { logIn } from '../support/raw-client.js'
import { createUser } from '../../auth/identity.js'

const broker = await startBroker(t, { env: { APPS_FILE: writeMeshApps(t) } })
const roof = await makeGateway(broker, 'roof')
const alice = createUser({ appId: 'app-a', externalUserId: 'alice' })
const ALERT = encodeEnvelope({ port: 11, payload: 'SOS' })
const OWN = 'msh/2/e/LongFast/!a1b2c3d4'
const REPORT = '{"timestamp":"2026-05-01T10:00:00Z","latitude":41.4,"longitude":2.2}'
const NOT_AUTHORIZED = 0x87

const FOREIGN = [
  'sos/alerts',
  `sos/alerts/${alice.userId}`,
  'sos/alerts/alice',
  `sos/events/${alice.userId}`,
  'tel/data',
  'tel/alice/data',
  '$SYS/broker/connection/hut/state',
  '$SYS/2/e/LongFast/!a1b2c3d4',
  '/will',
  '/',
  'gw/sos/',
  'gw/sos/a/b',
  'gw/anything',
  'msh/2/e/LongFast',
  'msh/2/e/LongFast/!a1b2c3d',
  'a/b/c/d/e/2/e/LongFast/!a1b2c3d4',
  '2/e/LongFast/!a1b2c3d4',
]
const FILTERS = [
  '#',
  '+/+',
  '$SYS/#',
  '$share/g/msh/2/e/LongFast/+',
  `sos/events/${alice.userId}`,
  'sos/#',
  'tel/+/data',
  'gw/#',
  'gw/sos/+',
  'msh/#',
  'msh/+/e/LongFast/+',
  '+/2/e/LongFast/+',
]

for (const kind of [NODE, ANDROID]) {
  const is5 = kind === ANDROID
  const version = is5 ? '5.0' : '3.1.1'
  t.test(
    `what is not a gateway's to say is acknowledged and dropped, and it stays connected; ${version}`,
    async (t) => {
      const before = await readMetrics(broker)
      const client = await connectGateway(t, broker, roof, kind)
      for (const topic of FOREIGN) {
        t.equal(await client.publish(topic, REPORT), is5 ? NOT_AUTHORIZED : 0, topic)
        t.equal(await client.publish(topic, REPORT, { retain: true }), is5 ? NOT_AUTHORIZED : 0)
        client.send(topic, REPORT, { qos: 0 })
      }
      t.equal(await client.publish(OWN, ALERT), 0, 'its own still counts')
      const after = await readMetrics(broker)
      t.equal(messages(after, 'refused') - messages(before, 'refused'), FOREIGN.length * 3)
      t.equal(messages(after, 'accepted') - messages(before, 'accepted'), 1)
      t.same((await backendOf(broker).get('/incidents?state=all')).body.incidents, [], 'nothing was raised')
      const senders = (await backendOf(broker).get('/alerts?state=all')).body.alerts?.map(
        ({ sender }) => sender,
      )
      t.strictSame(senders, ['!11223344'], 'but for its own')
      const said = broker.log.filter(({ msg }) => /topic that is none of its own/.test(msg ?? ''))
      t.equal(said.length, is5 ? 2 : 1, 'one line a session, not one for each')
      t.match(said[0], { appId: 'app-a', gatewayId: 'roof', topicName: FOREIGN[0] })
    },
  )

  t.test(`a gateway may ask for what it likes, and hears nothing; ${version}`, async (t) => {
    const client = await connectGateway(t, broker, roof, { ...kind, subscriptions: [] })
    for (const filter of FILTERS)
      t.strictSame(await client.subscribe(filter), [is5 ? NOT_AUTHORIZED : 0x80], filter)
    const granted: number[] = []
    for (const hundreds of [0, 50, 100, 150]) {
      const filters = Array.from({ length: 50 }, (_, i) => `msh/2/e/channel${hundreds + i}/+`)
      granted.push(...(await client.subscribe(...filters)))
    }
    t.equal(granted.filter((code) => code < 0x80).length, 20, 'only so many are granted')
    const other = await connectGateway(t, broker, roof, { ...kind, subscriptions: [] })
    t.strictSame(await other.subscribe('msh/2/e/LongFast/+', 'msh/2/e/PKI/+'), [1, 1])
    t.equal(await other.publish('msh/2/e/channel1/!a1b2c3d4', ALERT), 0)
    t.equal(await other.publish(OWN, ALERT, { retain: true }), 0)
    const later = await connectGateway(t, broker, roof, { ...kind, subscriptions: [] })
    await later.subscribe('msh/2/e/LongFast/+')
    for (const one of [client, other, later]) t.notOk(await hasHeard(one), 'not even what is retained')
  })
}

t.test('a gateway is its own app and its own name, whatever it writes', async (t) => {
  const other = await makeGateway(broker, 'roof', 'app-b')
  const hut = await makeGateway(broker, 'hut')
  const wrong = [
    { username: other.username, password: roof.password },
    { username: roof.username, password: other.password },
    { username: hut.username, password: roof.password },
    { username: 'gw:app-a:nobody', password: roof.password },
    { username: 'gw:app-c:roof', password: roof.password },
    { username: 'gw:app-a:roof:x', password: roof.password },
    { username: 'gw:app-a', password: roof.password },
    { username: 'sdk:app-a:roof', password: roof.password },
    { username: roof.username, password: broker.credentials('roof', 'app-a').password },
    { username: roof.username, password: '' },
  ]
  for (const login of wrong)
    await t.rejects(connectGateway(t, broker, login), /"returnCode":5/, login.username)

  // A node's number is no secret: what is said under a foreign one counts as said by whoever logged in.
  const client = await connectGateway(t, broker, hut)
  t.equal(await client.publish(OWN, ALERT), 0)
  t.match(await spokeFor('hut'), { appId: 'app-a', nodeId: '!a1b2c3d4' })
  const before = await readMetrics(broker)
  await client.publish('msh/2/e/LongFast/!99999999', ALERT)
  const after = await readMetrics(broker)
  t.equal(mesh(after, 'gateway-mismatch') - mesh(before, 'gateway-mismatch'), 1)
  t.match(await broker.logged(({ msg }) => msg === 'gateway speaks for another node than before'), {
    gatewayId: 'hut',
    before: '!a1b2c3d4',
    nodeId: '!99999999',
  })
})

t.test('an SDK user speaks for no mesh', async (t) => {
  const phone = await logIn(t, broker.ports.mqtt, broker.credentials('alice', 'app-a'), {
    protocolVersion: 5,
  })
  let messageId = 0
  for (const topic of [OWN, 'gw/packet', 'gw/sos/CF:82:00:00:00:01', 'msh/2/map/']) {
    phone.sendPacket({
      cmd: 'publish',
      topic,
      payload: ALERT,
      qos: 1,
      retain: false,
      dup: false,
      messageId: ++messageId,
    })
    t.equal((await phone.nextOf('puback')).reasonCode, NOT_AUTHORIZED, topic)
  }
})

t.test('large and unreadable payloads are acknowledged and counted', async (t) => {
  const before = await readMetrics(broker)
  const client = await connectGateway(t, broker, roof)
  for (const payload of ['', 'x', '{', Buffer.alloc(200, 0xff)])
    t.equal(await client.publish(OWN, payload), 0)
  t.equal(await client.publish(OWN, Buffer.alloc(60_000)), 0)
  t.equal(await client.publish('gw/sos/CF:82:00:00:00:01', Buffer.alloc(60_000)), 0)
  const after = await readMetrics(broker)
  t.equal(mesh(after, 'malformed') - mesh(before, 'malformed'), 4)
  t.equal(mesh(after, 'too-large') - mesh(before, 'too-large'), 1)
  t.equal(mesh(after, 'alert') - mesh(before, 'alert'), 1, 'an SOS is none the less one')
  const [alert] = (await backendOf(broker).get('/alerts')).body.alerts ?? []
  t.match(alert, { sender: 'CF:82:00:00:00:01', why: 'unregistered', state: 'active' })
  t.ok(String(alert?.raw).length >= 16_384, 'with what could not be read')
  client.send(OWN, Buffer.alloc(70_000))
  await client.raw.untilClosed()
  t.match(
    await broker.logged(({ msg }) => msg === 'connection ended: protocol violated'),
    { reason: /large|bytes/ },
    'what no gateway could mean ends the connection',
  )
})

/** Whether anything was delivered to it before the answer to a PINGREQ. */
async function hasHeard({ raw }: GatewayClient): Promise<boolean> {
  raw.sendPacket({ cmd: 'pingreq' })
  for (;;) {
    const { cmd } = await raw.next()
    if (cmd === 'publish') return true
    if (cmd === 'pingresp') return false
  }
}

function spokeFor(gatewayId: string): Promise<LogLine> {
  return broker.logged((line) => line.msg === 'gateway speaks for its node' && line.gatewayId === gatewayId)
}

function messages(read: Reading, outcome: string): number {
  return read('connect_broker_messages_total', { kind: 'mesh', outcome })
}

function mesh(read: Reading, outcome: string): number {
  return read('connect_broker_mesh_messages_total', { outcome })
}

import t from 'tap'
import { startBroker } from '../support/broker.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import { codeOf, connectPhone, refusedConnack } from '../support/phone.js'
import type { Version } from '../support/phone.js'

const broker = await startBroker(t)
const { mqtt } = broker.ports

function connectOf(externalUserId: string, protocolVersion: Version) {
  const { username, password } = broker.credentials(externalUserId)
  return { protocolVersion, username, password: Buffer.from(password) }
}

for (const version of [3, 4] as Version[]) {
  t.test(
    `contract 3: clean session 0 gets CONNACK 5 and a log line that says why, version ${version}`,
    async (t) => {
      const connack = await refusedConnack(t, mqtt, { ...connectOf('lasting', version), clean: false })
      t.equal(codeOf(connack), 5)
      const line = await broker.logged((l) => l.why === 'clean-session-0' && l.version === version)
      t.match(line, { msg: 'login refused', level: 'warn', hint: /clean session 1/, appId: 'demo-app' })
    },
  )
}

t.test('contract 3: in MQTT 5 a Session Expiry above 0 is answered with Session Expiry 0', async (t) => {
  for (const sessionExpiryInterval of [1, 3_600, 0xffffffff]) {
    const raw = await connectRaw(t, mqtt, 5)
    raw.sendPacket({
      cmd: 'connect',
      protocolId: 'MQTT',
      clean: false,
      clientId: 'lasting',
      keepalive: 30,
      ...connectOf('lasting', 5),
      protocolVersion: 5,
      properties: { sessionExpiryInterval },
    })
    const connack = await raw.nextOf('connack')
    t.equal(connack.reasonCode, 0)
    t.equal(connack.sessionPresent, false)
    t.equal(connack.properties?.sessionExpiryInterval, 0)
  }
})

t.test('contract 3: a session ends with its connection, subscriptions and all', async (t) => {
  const credentials = broker.credentials('comes-back')
  const first = await connectPhone(t, mqtt, credentials, { properties: { sessionExpiryInterval: 3_600 } })
  await first.subscribe(first.uuidTopic)
  first.raw.socket.destroy()
  await first.closed()

  const second = await connectPhone(t, mqtt, credentials, { properties: { sessionExpiryInterval: 3_600 } })
  await second.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' })
  await second.subscribe(second.uuidTopic)
  await second.publish('sos/alerts', { timestamp: '2026-05-01T10:00:01.000Z' })
  const { event } = await second.nextEvent()
  t.equal(event.occurredAt, '2026-05-01T10:00:01.000Z', 'nothing from before it subscribed')
})

for (const [version, code] of [
  [3, 5],
  [4, 5],
  [5, 0x87],
] as [Version, number][]) {
  t.test(`design 4: a will of an SDK user gets CONNACK ${code}, version ${version}`, async (t) => {
    for (const topic of ['sos/alerts', 'sos/events/somebody']) {
      const connack = await refusedConnack(t, mqtt, {
        ...connectOf('willing', version),
        will: { topic, payload: Buffer.from('{}'), qos: 1, retain: false },
      })
      t.equal(codeOf(connack), code, topic)
    }
    t.match(await broker.logged((line) => line.why === 'will' && line.version === version), {
      msg: 'login refused',
    })
  })
}

const RETAINED = { cmd: 'publish', retain: true, dup: false, topic: 'sos/alerts', messageId: 7 } as const

for (const qos of [0, 1, 2] as const) {
  t.test(`design 4: a retained publish of QoS ${qos} closes 3.1.1, without an acknowledgement`, async (t) => {
    const raw = await logIn(t, mqtt, broker.credentials('retainer'), { protocolVersion: 4 })
    raw.sendPacket({ ...RETAINED, qos, payload: '{"timestamp":"2026-05-01T10:00:00.000Z"}' })
    t.same(await raw.untilClosed(), [])
  })

  t.test(`design 4: a retained publish of QoS ${qos} ends 5.0 with DISCONNECT 0x9A`, async (t) => {
    const raw = await logIn(t, mqtt, broker.credentials('retainer'), { protocolVersion: 5 })
    raw.sendPacket({ ...RETAINED, qos, payload: '' })
    const packets = await raw.untilClosed()
    t.match(packets, [{ cmd: 'disconnect', reasonCode: 0x9a }])
    t.equal(packets.length, 1)
  })
}

t.test('contract 3: what was retained is kept for nobody, and raises nothing', async (t) => {
  t.match(await broker.logged(({ msg }) => msg === 'retained publication refused'), { appId: 'demo-app' })
  const phone = await connectPhone(t, mqtt, broker.credentials('retainer'))
  await phone.subscribe(phone.uuidTopic, phone.externalTopic)
  await phone.publish('sos/alerts', { timestamp: '2026-05-01T11:00:00.000Z' })
  const { event, packet } = await phone.nextEvent()
  t.match(event, { occurredAt: '2026-05-01T11:00:00.000Z', snapshotVersion: 1 }, 'the first report of all')
  t.equal(packet.retain, false)
})

t.test(
  'contract 3: CONNACK of 5.0 says that retained messages, wildcards and shared subscriptions are not there',
  async (t) => {
    const raw = await connectRaw(t, mqtt, 5)
    raw.sendPacket({
      cmd: 'connect',
      protocolId: 'MQTT',
      clean: true,
      clientId: 'asks',
      keepalive: 30,
      ...connectOf('asks', 5),
      protocolVersion: 5,
    })
    const { properties } = await raw.nextOf('connack')
    t.match(properties, {
      retainAvailable: false,
      wildcardSubscriptionAvailable: false,
      sharedSubscriptionAvailable: false,
    })
    t.notOk(properties && 'serverKeepAlive' in properties, 'the SDK ignores a Server Keep Alive')
    t.notOk(properties && 'sessionExpiryInterval' in properties, 'nothing was asked')
  },
)

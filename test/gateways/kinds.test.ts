import mqttPacket from 'mqtt-packet'
import type { IConnackPacket } from 'mqtt-packet'
import t from 'tap'
import { startBroker } from '../support/broker.js'
import {
  ANDROID,
  BRIDGE,
  connectGateway,
  KINDS,
  makeGateway,
  OLD_NODE,
  PYTHON,
  writeMeshApps,
} from '../support/gateways.js'
import type { GatewayKind } from '../support/gateways.js'
import { encodeEixamSos, encodeEnvelope, encodePacket } from '../support/mesh-packets.js'
import { hex, VECTORS } from '../support/mesh-vectors.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import type { Reading } from '../support/metrics.js'
import { refusedConnack } from '../support/phone.js'
import { runProgram } from '../support/programs.js'

const broker = await startBroker(t, { env: { APPS_FILE: writeMeshApps(t), LOG_LEVEL: 'debug' } })
const gateway = await makeGateway(broker, 'roof')
const OUTCOMES = ['position', 'telemetry', 'sos', 'text', 'node-info', 'gateway-alive', 'cancel', 'other']
const ENVELOPE = 'msh/EU_868/2/e/LongFast/!a1b2c3d4'
const JSON_TOPIC = 'msh/EU_868/2/json/LongFast/!a1b2c3d4'

interface Sent {
  topic: string
  payload: Buffer | string
  becomes: string
}

const inJson = {
  channel: 0,
  from: 0x11223344,
  sender: '!a1b2c3d4',
  to: 4_294_967_295,
  timestamp: 1_609_459_200,
}
const json = (more: object) => ({ topic: JSON_TOPIC, payload: JSON.stringify({ ...inJson, ...more }) })
const captured = (port: number, base64: string) => ({
  topic: ENVELOPE,
  payload: encodeEnvelope({
    port,
    payload: Buffer.from(base64, 'base64'),
    from: 0x7efeb2c8,
    id: 1_576_523_473,
  }),
})

/** Everything that firmware sends: the vectors, what real nodes sent, and the JSON of firmware up to 2.7. */
const OF_FIRMWARE: Sent[] = [
  ...VECTORS.map(({ bytes, content }) => ({
    topic: ENVELOPE,
    payload: hex(bytes),
    becomes: (content as { is: string }).is,
  })),
  { ...captured(3, 'DQAAPh8VAAAOCBgvJdMnJmkoAligAXgAgAGwx84GmAEJuAEO'), becomes: 'position' },
  { ...captured(3, 'DVAqzRcV+uKSzBgK'), becomes: 'position' },
  { ...captured(67, 'DeAnJmkSFQhlFW8Sg7odyi/WPyXEjb08KNHgLA=='), becomes: 'telemetry' },
  { ...captured(67, 'DX2QVWMSAA=='), becomes: 'telemetry' },
  {
    ...json({
      id: 1,
      type: 'position',
      payload: { latitude_i: 517_720_000, longitude_i: 395_000, altitude: 85, precision_bits: 32 },
      rssi: -124,
      snr: -18,
    }),
    becomes: 'position',
  },
  {
    ...json({ id: 2, type: 'telemetry', payload: { battery_level: 101, voltage: 4.35400009155273 } }),
    becomes: 'telemetry',
  },
  { ...json({ id: 3, type: 'text', payload: 112 }), becomes: 'text' },
  { ...json({ id: 4, type: '' }), becomes: 'other' },
  {
    ...json({ id: 5, to: -622_873_220, type: 'nodeinfo', payload: { longname: 'Nina\0' } }),
    becomes: 'node-info',
  },
  { topic: 'msh/EU_868/2/stat/!a1b2c3d4', payload: 'online', becomes: 'gateway-alive' },
]

const base64 = (bytes: Buffer) => bytes.toString('base64')
/** What programs of other makes send on topics of our own. */
const OF_PROGRAMS: Sent[] = [
  {
    topic: 'gw/packet',
    payload: JSON.stringify({
      from: 0x11223344,
      to: 4_294_967_295,
      id: 7,
      decoded: { portnum: 'ALERT_APP', payload: base64(Buffer.from('SOS')) },
    }),
    becomes: 'sos',
  },
  { topic: 'gw/packet', payload: base64(encodePacket({ port: 11, payload: 'SOS' })), becomes: 'sos' },
  { topic: 'gw/sos/CF:82:00:00:00:01', payload: '{"timestamp":"2026-05-01T10:00:00Z"}', becomes: 'sos' },
  {
    topic: 'gw/sos/CF:82:00:00:00:01',
    payload: JSON.stringify({ eixam: encodeEixamSos({ device: 0x1234 }).toString('hex') }),
    becomes: 'sos',
  },
  { topic: 'gw/sos/CF:82:00:00:00:01', payload: '{"eixam":"3412A5B109"}', becomes: 'sos' },
  { topic: 'gw/sos/CF:82:00:00:00:01', payload: '{"eixam":"E1023412"}', becomes: 'cancel' },
  {
    topic: 'gw/tel/CF:82:00:00:00:01',
    payload: '{"timestamp":"2026-05-01T10:00:00Z","latitude":41.4,"longitude":2.2}',
    becomes: 'position',
  },
  {
    topic: 'gw/tel/CF:82:00:00:00:01',
    payload: '{"eixam":"E978010203071F3412583C00"}',
    becomes: 'telemetry',
  },
]

for (const kind of KINDS) {
  t.test(`what a mesh says is read from ${kind.title}`, async (t) => {
    const sent = sentBy(kind)
    const before = await readMetrics(broker)
    const client = await connectGateway(t, broker, gateway, kind)
    for (const { topic, payload } of sent) client.send(topic, payload)
    const after = await metricsUntil(broker, (read) => mesh(read) - mesh(before) >= sent.length)
    for (const outcome of OUTCOMES)
      t.equal(
        mesh(after, outcome) - mesh(before, outcome),
        sent.filter(({ becomes }) => becomes === outcome).length,
        outcome,
      )
    t.equal(mesh(after) - mesh(before), sent.length, 'and nothing else')
    if (kind.isRetained) t.equal(retained(after) - retained(before), sent.length, 'without its retain flag')
    if (kind.qos > 0) for (const _ of sent) t.equal((await client.raw.nextOf('puback')).reasonCode ?? 0, 0)
    await client.ping()
  })
}

t.test(
  'MQTT 5 hears that it may use wildcards, or a phone app would not even ask for its filter',
  async (t) => {
    const client = await connectGateway(t, broker, gateway, { ...ANDROID, subscriptions: [] })
    let connack: IConnackPacket | undefined
    const parser = mqttPacket.parser({ protocolVersion: 5 })
    parser.on('packet', (packet) => (connack = packet as IConnackPacket))
    parser.parse(client.raw.received())
    t.not(connack?.properties?.wildcardSubscriptionAvailable, false)
    t.strictSame(await client.subscribe(...ANDROID.subscriptions), [1])
    const phone = broker.credentials('alice', 'app-a')
    const user = await connectGateway(t, broker, phone, { ...ANDROID, subscriptions: [] })
    t.strictSame(await user.subscribe(...ANDROID.subscriptions), [0xa2], 'which is for gateways alone')
  },
)

t.test('a will is taken off: nothing is published when the connection breaks', async (t) => {
  const before = await readMetrics(broker)
  const client = await connectGateway(t, broker, gateway, OLD_NODE)
  const gone = broker.logged(
    ({ msg, sessionId }) => msg === 'session ended' && sessionId === lastLogin()?.sessionId,
  )
  client.raw.socket.destroy()
  await gone
  // Had the will been published, it would stand before this.
  const other = await connectGateway(t, broker, gateway)
  other.send(ENVELOPE, hex(VECTORS[0]?.bytes as string))
  const after = await metricsUntil(broker, (read) => mesh(read, 'position') > mesh(before, 'position'))
  t.equal(mesh(after) - mesh(before), 1)
  const wills = (read: Reading) => read('connect_broker_oddities_total', { kind: 'connect', note: 'will' })
  t.equal(wills(after) - wills(before), 1, 'but it was seen')
})

t.test('clean session 0 is refused, and the log says what to write into the configuration', async (t) => {
  const connect = { username: gateway.username, password: Buffer.from(gateway.password), clean: false }
  const refused = (isBridge: boolean) =>
    broker.logged(
      ({ why, hint }) => why === 'clean-session-0' && /cleansession true/.test(String(hint)) === isBridge,
    )
  for (const kind of [BRIDGE, PYTHON]) {
    const clientId = kind.connect.clientId || 'bridge.py'
    const connack = await refusedConnack(t, broker.ports.mqtt, { ...kind.connect, ...connect, clientId })
    t.equal(connack.returnCode, 5)
    t.match(await refused(kind === BRIDGE), { msg: 'login refused', appId: 'app-a', gatewayId: 'roof' })
  }
})

t.test('mosquitto_pub brings an SOS over TLS with the settings of the gateway', async (t) => {
  const before = await readMetrics(broker)
  const where = ['-h', '127.0.0.1', '-p', String(broker.ports.mqtts), '--cafile', broker.caFile]
  const who = ['-u', gateway.username, '-P', gateway.password, '-i', '!a1b2c3d4']
  for (const version of ['mqttv31', 'mqttv311', 'mqttv5']) {
    const what = ['-V', version, '-q', '1', '-t', 'gw/packet', '-m', OF_PROGRAMS[0]?.payload as string]
    t.match(await runProgram(t, 'mosquitto_pub', [...where, ...who, ...what]).ended, { code: 0, errors: '' })
  }
  t.equal(mesh(await readMetrics(broker), 'sos') - mesh(before, 'sos'), 3)
})

/** Older firmware has its topic under another letter, and programs have topics of their own. */
function sentBy(kind: GatewayKind): Sent[] {
  if (kind === PYTHON) return OF_PROGRAMS
  if (kind !== OLD_NODE) return kind === BRIDGE ? [...OF_FIRMWARE, ...OF_PROGRAMS] : OF_FIRMWARE
  return OF_FIRMWARE.map((one) => ({ ...one, topic: one.topic.replace('/2/e/', '/2/c/') }))
}

function mesh(read: Reading, outcome?: string): number {
  return read('connect_broker_mesh_messages_total', outcome === undefined ? {} : { outcome })
}

function retained(read: Reading): number {
  return read('connect_broker_oddities_total', { kind: 'mesh', note: 'retained' })
}

function lastLogin() {
  return broker.log.findLast(({ msg }) => msg === 'login')
}

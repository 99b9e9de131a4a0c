import mqttPacket from 'mqtt-packet'
import type { IConnackPacket } from 'mqtt-packet'
import t from 'tap'
import { backendOf } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import { ENVELOPE, OF_PROGRAMS } from '../support/gateway-samples.js'
import {
  ANDROID,
  BRIDGE,
  connectGateway,
  makeGateway,
  OLD_NODE,
  PYTHON,
  writeMeshApps,
} from '../support/gateways.js'
import { encodeEnvelope } from '../support/mesh-packets.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import type { Reading } from '../support/metrics.js'
import { refusedConnack } from '../support/phone.js'
import { runProgram } from '../support/programs.js'

const broker = await startBroker(t, { env: { APPS_FILE: writeMeshApps(t), LOG_LEVEL: 'debug' } })
const gateway = await makeGateway(broker, 'roof')

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
  other.send(ENVELOPE, encodeEnvelope({ port: 1, payload: 'hello' }))
  const after = await metricsUntil(broker, (read) => mesh(read, 'ignored') > mesh(before, 'ignored'))
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
  const after = await readMetrics(broker)
  t.equal(mesh(after, 'alert') - mesh(before, 'alert'), 1)
  t.equal(mesh(after, 'copy') - mesh(before, 'copy'), 2, 'the same packet counts once')
  t.match((await backendOf(broker).get('/alerts')).body, {
    alerts: [
      { sender: '!11223344', why: 'unmapped', state: 'active', message: 'SOS of a program', reports: 1 },
    ],
  })
})

function mesh(read: Reading, outcome?: string): number {
  return read('connect_broker_mesh_messages_total', outcome === undefined ? {} : { outcome })
}

function lastLogin() {
  return broker.log.findLast(({ msg }) => msg === 'login')
}

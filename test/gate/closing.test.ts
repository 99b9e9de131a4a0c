import { once } from 'node:events'
import type { Packet } from 'mqtt-packet'
import t from 'tap'
import { startBroker } from '../support/broker.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import { createRawClient, logIn } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { stopAndRead } from '../support/stopped-store.js'
import {
  connectBytes,
  DISCONNECT,
  publishBytes,
  sosPayload,
  telemetryPayload,
} from '../support/wire-packets.js'
import { openWire, TRANSPORTS } from '../support/wires.js'

const GARBAGE = Buffer.from('ffffffffffff', 'hex')
/** 30 KB: more than the gate hands to the engine at a time. */
const BURST = Array.from({ length: 100 }, (_, n) =>
  publishBytes('tel/data', telemetryPayload(n, 'x'.repeat(180)), { messageId: 100 + n }),
)

/** What stands around the SOS, and whether the client ends its side in the same write. */
const SCENARIOS = [
  { name: 'garbage behind it', before: [], behind: [GARBAGE], ends: false },
  { name: 'DISCONNECT behind it', before: [], behind: [DISCONNECT], ends: false },
  { name: 'FIN behind it', before: [], behind: [], ends: true },
  { name: 'DISCONNECT and FIN behind it', before: [], behind: [DISCONNECT], ends: true },
  { name: 'telemetry before and FIN behind it', before: BURST, behind: [], ends: true },
]

t.test('contract 3: an SOS is stored and answered whatever comes behind it', async (t) => {
  const broker = await startBroker(t)
  const users: string[] = []
  for (const transport of TRANSPORTS) {
    const isWebSocket = transport === 'ws' || transport === 'wss'
    for (const { name, before, behind, ends } of SCENARIOS) {
      for (const qos of [0, 1] as const) {
        const title = `over ${transport}, in one write with CONNECT: SOS of QoS ${qos}, ${name}`
        users.push(title)
        await t.test(title, async (t) => {
          const wire = await openWire(t, broker, transport, { allowHalfOpen: true })
          const client = createRawClient(t, wire.stream, 4)
          const closed = once(wire.socket, 'close')
          const sos = publishBytes('sos/alerts', sosPayload(), { qos, messageId: 7 })
          const parts = [connectBytes(broker.credentials(title)), ...before, sos, ...behind]
          if (ends) wire.sendAndClose(parts)
          else wire.sendTogether(parts)
          const answers = (await client.untilClosed()).map(nameOf)
          // Behind a close frame nothing may be sent, so whoever closes a WebSocket hears no PUBACK.
          if (!(isWebSocket && ends)) {
            t.equal(answers[0], 'connack 0')
            t.equal(answers.filter((answer) => answer === 'puback of sos').length, qos)
            t.equal(answers.filter((answer) => answer === 'puback of telemetry').length, before.length)
          }
          const [hadError] = await closed
          t.equal(hadError, false, 'the connection ends without a reset')
        })
      }
    }
  }
  await metricsUntil(broker, (read) => read('connect_broker_sessions') === 0)
  const stored = await stopAndRead(broker)
  for (const user of users) t.equal(stored.openIncident(user)?.reports, 1, `stored: ${user}`)
  t.equal(stored.telemetry.length, 2 * TRANSPORTS.length * BURST.length, 'and the telemetry')
})

t.test('contract 3: a slow store loses no SOS of a client that is gone already', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
  for (const [n, transport] of TRANSPORTS.entries()) {
    await t.test(`over ${transport}`, async (t) => {
      const wire = await openWire(t, broker, transport)
      const client = createRawClient(t, wire.stream, 4)
      wire.sendTogether([connectBytes(broker.credentials(transport))])
      await client.nextOf('connack')
      await redis.client.call('CLIENT', 'PAUSE', '60000', 'WRITE')
      wire.sendAndClose([...BURST, publishBytes('sos/alerts', sosPayload())])
      for (let i = 0; i < 20; i++) await readMetrics(broker) // time for the broker to read it and to be stuck
      await redis.client.call('CLIENT', 'UNPAUSE')
      await metricsUntil(broker, (read) => read('connect_broker_sessions') === 0)
      t.equal(await redis.client.hlen('cb:{demo-app}:open'), n + 1, 'the SOS is stored')
      t.equal(
        await redis.client.xlen('cb:{demo-app}:telemetry'),
        (n + 1) * BURST.length,
        'so is the telemetry',
      )
    })
  }
})

t.test('a WebSocket client whose connection the broker ends is not kept waiting', async (t) => {
  const broker = await startBroker(t, { env: { CONNECT_TIMEOUT_MS: '3000' } })
  const inTurn = async (transport: 'ws' | 'wss') => {
    // The first says nothing and is closed after CONNECT_TIMEOUT_MS; the other must not take as long.
    const silent = await openWire(t, broker, transport)
    const ended = await openWire(t, broker, transport)
    const order: string[] = []
    const closed = [
      once(silent.socket, 'close').then(() => order.push('silent')),
      once(ended.socket, 'close').then(() => order.push('ended')),
    ]
    ended.sendTogether([connectBytes(broker.credentials('alice')), DISCONNECT])
    await Promise.all(closed)
    t.same(order, ['ended', 'silent'], transport)
  }
  await Promise.all([inTurn('ws'), inTurn('wss')])
})

t.test('[MQTT-3.2.2-5] the refusing CONNACK arrives before the close, 40 times in a row', async (t) => {
  const broker = await startBroker(t)
  const wrong = { ...broker.credentials('alice'), password: '0'.repeat(64) }
  for (const transport of TRANSPORTS) {
    const answers: string[] = []
    for (let i = 0; i < 20; i++) {
      for (const version of [4, 5] as const) {
        const wire = await openWire(t, broker, transport)
        const client = createRawClient(t, wire.stream, version)
        // What stands behind the CONNECT of a stranger must not cost him the answer.
        const behind = publishBytes('sos/alerts', sosPayload(), { version })
        wire.sendTogether([connectBytes(wrong, { version }), behind])
        answers.push((await client.untilClosed()).map(nameOf).join())
      }
    }
    t.same(answers, Array.from({ length: 20 }, () => ['connack 5', 'connack 135']).flat(), transport)
  }
})

t.test('contract 3: what reached the broker before a reset is stored', async (t) => {
  const broker = await startBroker(t)
  const sos = publishBytes('sos/alerts', sosPayload(), { qos: 0 })
  const wire = await openWire(t, broker, 'tcp')
  await metricsUntil(broker, (read) => read('connect_broker_connections') === 1)
  // While the process stands still, all of it gathers in the kernel.
  broker.child.kill('SIGSTOP')
  wire.sendTogether([connectBytes(broker.credentials('alice')), sos])
  wire.socket.resetAndDestroy()
  await once(wire.socket, 'close')
  broker.child.kill('SIGCONT')
  await metricsUntil(broker, (read) => read('connect_broker_connections') === 0)
  t.equal((await stopAndRead(broker)).openIncident('alice')?.reports, 1)
})

t.test('resets right behind an SOS harm nobody else', async (t) => {
  const broker = await startBroker(t)
  const other = await logIn(t, broker.ports.mqtt, broker.credentials('bob'))
  for (let i = 0; i < 20; i++) {
    const wire = await openWire(t, broker, 'tcp')
    wire.sendTogether([connectBytes(broker.credentials('alice')), publishBytes('sos/alerts', sosPayload(i))])
    wire.socket.resetAndDestroy()
  }
  await metricsUntil(broker, (read) => read('connect_broker_connections') === 1)
  other.send(publishBytes('sos/alerts', sosPayload(), { messageId: 9 }))
  t.equal((await other.nextOf('puback')).messageId, 9)
  t.same(
    broker.log.filter(({ level }) => level === 'fatal' || level === 'error'),
    [],
  )
})

function nameOf(packet: Packet): string {
  if (packet.cmd === 'connack') return `connack ${packet.returnCode ?? packet.reasonCode}`
  if (packet.cmd === 'puback') return packet.messageId === 7 ? 'puback of sos' : 'puback of telemetry'
  return packet.cmd
}

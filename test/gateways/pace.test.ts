import t from 'tap'
import { backendOf, register, sdkOf } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import { connectGateway, makeGateway, NODE, writeMeshApps } from '../support/gateways.js'
import { DEFAULT_KEY, encodeEnvelope, encodeTelemetry } from '../support/mesh-packets.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'

const BURST = 5
const env = {
  APPS_FILE: writeMeshApps(t),
  GATEWAY_RATE: '1',
  GATEWAY_BURST: String(BURST),
  TELEMETRY_RATE: '1',
}
const broker = await startBroker(t, { env })
const HARDWARE_ID = 'CF:82:00:00:00:01'
await register(sdkOf(broker, broker.credentials('nina', 'app-a')), HARDWARE_ID)
await backendOf(broker).put('/nodes/!11223344', { hardwareId: HARDWARE_ID })
const TOPIC = 'msh/2/e/LongFast/!a1b2c3d4'
const LONG_FAST = { key: DEFAULT_KEY, hash: 8 }
const payload = encodeTelemetry({ timeS: 1_609_459_200, battery: 85 })

t.test('telemetry above the rate of a gateway waits, and an SOS behind it does not', async (t) => {
  const client = await connectGateway(t, broker, await makeGateway(broker, 'roof'), NODE)
  client.raw.socket.cork() // in one segment, so that no second passes in the middle of it
  const waiting = Array.from({ length: BURST + 3 }, (_, id) =>
    client.send(TOPIC, encodeEnvelope({ port: 67, payload, id: id + 1 }), { qos: 1 }),
  )
  const urgent = [
    client.send(TOPIC, encodeEnvelope({ port: 11, payload: 'SOS', id: 100 }), { qos: 1 }),
    client.send(TOPIC, encodeEnvelope({ port: 1, payload: 'SOS', id: 101, encryptFor: LONG_FAST }), {
      qos: 1,
    }),
    client.send(`gw/sos/${HARDWARE_ID}`, '{}', { qos: 1 }),
    client.send('gw/packet', '{"from":5,"to":4294967295,"decoded":{"portnum":11}}', { qos: 1 }),
  ]
  client.raw.socket.uncork()
  const answered: number[] = []
  for (const _ of [...waiting, ...urgent]) answered.push((await client.raw.nextOf('puback')).messageId ?? 0)
  t.strictSame(
    answered.toSorted((a, b) => a - b),
    [...waiting, ...urgent],
    'everything is taken',
  )
  const placesOf = (ids: number[]) => ids.map((id) => answered.indexOf(id))
  const [atOnce, later] = [waiting.slice(0, BURST), waiting.slice(BURST)]
  t.ok(Math.max(...placesOf([...atOnce, ...urgent])) < Math.min(...placesOf(later)), 'an SOS overtakes')
  t.strictSame(answered.slice(-later.length), later, 'what waits keeps its order')
  const { body } = await backendOf(broker).get('/incidents')
  t.match(body.incidents, [{ user: { externalUserId: 'nina' }, reports: 3 }])
  const alerts = (await backendOf(broker).get('/alerts')).body.alerts
  t.match(alerts, [{ sender: '!00000005', reports: 1 }], 'and each is counted')
})

t.test('what waits when a gateway breaks off without a word is taken all the same', async (t) => {
  const before = await readMetrics(broker)
  const client = await connectGateway(t, broker, await makeGateway(broker, 'hut'), NODE)
  const count = 4 * BURST
  for (let id = 1; id <= count; id++)
    client.send(TOPIC, encodeEnvelope({ port: 67, payload, id: 1_000 + id }))
  client.raw.socket.end()
  const read = await metricsUntil(broker, (read) => telemetry(read) - telemetry(before) >= count)
  t.equal(telemetry(read) - telemetry(before), count)
})

function telemetry(read: Awaited<ReturnType<typeof readMetrics>>): number {
  return read('connect_broker_mesh_messages_total', { outcome: 'telemetry' })
}

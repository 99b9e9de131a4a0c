import t from 'tap'
import { backendOf, register, sdkOf } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import { ANDROID, connectGateway, makeGateway, NODE, writeMeshApps } from '../support/gateways.js'
import { alertOf, positionOf, published } from '../support/mesh-gateway.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import { startRedis } from '../support/redis.js'

const redis = await startRedis(t)
const env = { APPS_FILE: writeMeshApps(t), REDIS_URL: redis.url }
const broker = await startBroker(t, { env })
const backend = backendOf(broker)
const HARDWARE_ID = 'CF:82:00:00:00:01'
const NODE_NUMBER = 0x11223344
const STRANGER = 0x55667788

t.test('calls by mesh while Redis is away are acknowledged, and stand there once it is back', async (t) => {
  await register(sdkOf(broker, broker.credentials('nina', 'app-a')), HARDWARE_ID)
  await backend.put('/nodes/!11223344', { hardwareId: HARDWARE_ID })
  const login = await makeGateway(broker, 'roof')
  const phone = await connectGateway(t, broker, login, ANDROID)
  const node = await connectGateway(t, broker, login, NODE)
  await phone.publish(...published(positionOf(NODE_NUMBER, Date.now(), 41.4)))
  const away = broker.logged(({ msg }) => msg?.startsWith('gateways cannot be read') === true)
  await redis.stop()
  await away

  const call = alertOf(NODE_NUMBER, Date.now(), 'SOS leg broken')
  t.equal(await phone.publish(...published(call)), 0)
  t.match(await broker.logged(({ msg }) => msg === 'sos by mesh'), { journaled: true, sender: '!11223344' })
  const before = await readMetrics(broker)
  node.send(...published(alertOf(STRANGER, Date.now(), 'SOS of a stranger')))
  node.send(...published(call)) // once more, as another gateway heard it
  await metricsUntil(
    broker,
    (read) => sum(read) - sum(before) >= 2, // QoS 0 has no answer
  )
  t.match(await broker.logged(({ msg }) => msg === 'sos by mesh of nobody that is known'), {
    journaled: true,
  })
  await Promise.all([phone.ping(), node.ping()])

  await redis.start()
  let { body } = await backend.get('/incidents')
  while (!body.incidents?.length) ({ body } = await backend.get('/incidents'))
  t.match(body.incidents, [{ user: { externalUserId: 'nina' }, message: 'SOS leg broken', reports: 1 }])
  let { alerts } = (await backend.get('/alerts')).body
  while (!alerts?.length) ({ alerts } = (await backend.get('/alerts')).body)
  t.match(alerts, [{ sender: '!55667788', message: 'SOS of a stranger', reports: 1 }])
  t.equal(await phone.publish(...published(call)), 0)
  t.match((await backend.get('/incidents')).body.incidents, [{ reports: 1 }], 'a copy counts once, also then')
})

t.test('a stop of the broker first answers what a gateway has sent', async (t) => {
  const login = await makeGateway(broker, 'hut')
  const client = await connectGateway(t, broker, login, ANDROID)
  client.raw.socket.cork()
  const ids = Array.from({ length: 20 }, (_, i) =>
    client.send(...published(positionOf(NODE_NUMBER, Date.now() + i, 42))),
  )
  ids.push(client.send(...published(alertOf(NODE_NUMBER, Date.now(), 'SOS at the end'))))
  client.raw.socket.uncork()
  const stopped = broker.stop()
  const packets = await client.raw.untilClosed()
  const answered = packets.flatMap((packet) => (packet.cmd === 'puback' ? [packet.messageId] : []))
  t.strictSame(
    answered.toSorted((a = 0, b = 0) => a - b),
    ids,
  )
  t.equal(await stopped, 0)
})

function sum(read: Awaited<ReturnType<typeof readMetrics>>): number {
  return read('connect_broker_mesh_messages_total')
}

import t from 'tap'
import mqtt from 'mqtt'
import { shippedProgram, startBroker } from '../support/broker.js'
import { startRedis } from '../support/redis.js'

const REPORT = {
  timestamp: '2026-05-01T10:00:00.123Z',
  latitude: 41.4,
  longitude: 2.2,
  altitude: 0,
  deviceId: 'CF:82:00:00:00:01',
}

for (const store of ['embedded', 'redis']) {
  t.test(`with the ${store} store a signed client gets PUBACK and its processed event`, async (t) => {
    const env = store === 'redis' ? { REDIS_URL: (await startRedis(t)).url } : {}
    const broker = await startBroker(t, { env, program: shippedProgram })
    const { username, password } = broker.credentials('user-7')
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.ports.mqtt}`, {
      protocolVersion: 5,
      username,
      password,
    })
    t.teardown(() => client.endAsync(true))
    await client.subscribeAsync('sos/events/user-7', { qos: 1 })
    const event = new Promise<Buffer>((resolve) =>
      client.once('message', (_topic, payload) => resolve(payload)),
    )
    await client.publishAsync('sos/alerts', JSON.stringify(REPORT), { qos: 1 })
    t.match(JSON.parse((await event).toString()), {
      type: 'processed',
      occurredAt: REPORT.timestamp,
      userId: 'user-7',
    })
  })
}

import t from 'tap'
import { withBothStores } from '../support/both-stores.js'
import type { Broker } from '../support/broker.js'
import { openEventSession } from '../support/event-session.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import { readError, readUser } from '../support/sdk-reader.js'

const G1 = {
  timestamp: '2026-05-01T10:00:00.123456Z',
  latitude: 41.4,
  longitude: 2.2,
  altitude: 12.5,
  deviceBattery: 80,
  deviceCoverage: 3,
  mobileBattery: 55.5,
  mobileCoverage: 4,
}
const G2 = {
  ...G1,
  kind: 'POSITION',
  nodeId: 4_294_967_295,
  identitySource: 'app',
  hardwareId: 'CF:82:00:00:00:01',
  deviceBattery: { rawValue: 3, range: 'ok' },
  mobileCoverage: { signalStrength: 3, networkType: 'lte', isConnected: true },
  horizontalAccuracyMeters: 4.5,
  radio: { generation: '5G', fiveGMode: 'nsa', connected: true },
}

t.test('telemetry over HTTP', (t) =>
  withBothStores(t, async (t, { broker }) => {
    for (const [name, body] of Object.entries({ G1, G2 })) {
      t.test(
        `contract 9: POST telemetry of ${name} is 200 with {} and moves the last position`,
        async (t) => {
          const phone = createPhone(broker, broker.credentials(name))
          const answer = await phone.post('/v1/sdk/telemetry', body)
          t.strictSame([answer.status, answer.text], [200, '{}'])
          t.match(await lastPosition(broker, name), {
            latitude: 41.4,
            longitude: 2.2,
            altitude: 12.5,
            occurredAt: G1.timestamp,
          })
        },
      )
    }

    t.test('telemetry may name its own user by either id', async (t) => {
      const phone = createPhone(broker, broker.credentials('own ids'))
      const { id } = readUser(await phone.get('/v1/sdk/me'))
      for (const userId of ['own ids', id, '', null]) {
        t.equal((await phone.post('/v1/sdk/telemetry', { ...G1, userId })).text, '{}')
      }
    })

    t.test('contract 6: a heartbeat is taken and is never a position', async (t) => {
      const phone = createPhone(broker, broker.credentials('heart'))
      await phone.post('/v1/sdk/telemetry', G1)
      const zero = { ...G1, latitude: 0, longitude: 0, altitude: 0 }
      for (const body of [
        { ...zero, kind: 'HEARTBEAT' },
        { ...zero, identitySource: 'ble_node' },
      ]) {
        t.equal((await phone.post('/v1/sdk/telemetry', body)).text, '{}')
        t.match(await lastPosition(broker, 'heart'), { latitude: 41.4 })
      }
    })

    t.test('what MQTT acknowledges and drops is 400 over HTTP and kept by neither', async (t) => {
      const credentials = broker.credentials('dropped')
      const phone = createPhone(broker, credentials)
      const session = await openEventSession(t, broker, credentials, [])
      const unreadable = ['', 'no json', '[1]', '7', 'null', '{"latitude":41.4']
      const wrong = [
        { ...G1, userId: 'somebody-else' },
        { ...G1, latitude: 90.1 },
        { ...G1, longitude: -180.1 },
        { ...G1, latitude: '41.4' },
        { ...G1, longitude: undefined },
      ]
      for (const payload of [...unreadable, ...wrong.map((body) => JSON.stringify(body))]) {
        const { code, message } = readError(await phone.post('/v1/sdk/telemetry', Buffer.from(payload)), 400)
        t.equal(code, 'invalid_payload')
        t.notOk(payload.length > 4 && message.includes(payload), 'the message does not repeat the payload')
        await session.publish('tel/data', payload)
      }
      t.equal(await lastPosition(broker, 'dropped'), null)
    })

    t.test('telemetry without a usable time is kept under the server’s', async (t) => {
      const phone = createPhone(broker, broker.credentials('no clock'))
      t.equal((await phone.post('/v1/sdk/telemetry', { ...G1, timestamp: 'now' })).text, '{}')
      const { occurredAt } = (await lastPosition(broker, 'no clock')) as { occurredAt: string }
      t.equal(new Date(occurredAt).toISOString(), occurredAt)
    })

    t.test('telemetry that came last by either way is the last position', async (t) => {
      const credentials = broker.credentials('both ways')
      const phone = createPhone(broker, credentials)
      const session = await openEventSession(t, broker, credentials, [])
      await phone.post('/v1/sdk/telemetry', { ...G1, latitude: 1 })
      await session.publish('tel/data', JSON.stringify({ ...G1, latitude: 2 }))
      t.match(await lastPosition(broker, 'both ways'), { latitude: 2 })
      await phone.post('/v1/sdk/telemetry', { ...G1, latitude: 3 })
      t.match(await lastPosition(broker, 'both ways'), { latitude: 3 })
    })
  }),
)

async function lastPosition(broker: Broker, externalUserId: string): Promise<unknown> {
  const path = `/v1/backend/users/${encodeURIComponent(externalUserId)}`
  const { json } = await send(broker, 'http', 'GET', path, { headers: backendHeaders(broker) })
  return (json as { position: unknown }).position
}

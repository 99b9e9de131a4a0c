import t from 'tap'
import { createUser } from '../../auth/identity.js'
import type { Store } from '../../store/store.js'
import { startBroker } from '../support/broker.js'
import { connectPhone, encodeAsDart } from '../support/phone.js'
import type { Phone } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { openOtherNode, openStoreOf } from '../support/stored.js'

const TIMESTAMP = '2026-05-01T10:00:00.000Z'
const POSITION = { latitude: 41.4, longitude: 2.2, altitude: 12.5 }
const G1 = {
  timestamp: TIMESTAMP,
  ...POSITION,
  deviceId: 'CF:82:00:00:00:01',
  deviceBattery: 87.5,
  deviceCoverage: 3,
  mobileBattery: 81,
  mobileCoverage: 4,
}
const G2 = {
  timestamp: TIMESTAMP,
  ...POSITION,
  kind: 'POSITION',
  nodeId: 305419896,
  clusterId: 1,
  aggId: 2,
  score: 3,
  memberCount: 4,
  aggSpreadingFactor: 7,
  eventId: 'e-1',
  hardwareId: 'CF:82:00:00:00:01',
  identitySource: 'device_hardware_pending',
  deviceBattery: { rawValue: 3, range: 'ok' },
  mobileCoverage: { signalStrength: 4, networkType: '5g', isConnected: true },
  horizontalAccuracyMeters: 4.5,
  radio: { generation: '5g', fiveGMode: 'nsa', connected: true },
}
const fieldsOf = ({
  timestamp: _t,
  latitude: _a,
  longitude: _o,
  altitude: _h,
  ...fields
}: Record<string, unknown>) => fields

// Everything here is kept. `position` null: there is none, and the last one known stays.
const KEPT: [what: string, payload: object, position: object | null][] = [
  ['a G1 message', G1, POSITION],
  ['a G2 message', G2, POSITION],
  [
    'a heartbeat at 0,0',
    { timestamp: TIMESTAMP, kind: 'HEARTBEAT', latitude: 0, longitude: 0, altitude: 0, mobileBattery: 9 },
    null,
  ],
  ['a heartbeat somewhere else', { timestamp: TIMESTAMP, kind: 'HEARTBEAT', ...POSITION }, null],
  [
    'exactly 0,0 of a wearable',
    { timestamp: TIMESTAMP, latitude: 0, longitude: 0, altitude: 0, identitySource: 'ble_node' },
    null,
  ],
  [
    'exactly 0,0 of a phone',
    { timestamp: TIMESTAMP, latitude: 0, longitude: 0, altitude: 0 },
    { latitude: 0, longitude: 0, altitude: 0 },
  ],
  [
    'the edges of the range',
    { timestamp: TIMESTAMP, latitude: -90, longitude: 180 },
    { latitude: -90, longitude: 180 },
  ],
  ['no position at all', { timestamp: TIMESTAMP, mobileBattery: 7 }, null],
]

// Everything here is acknowledged and dropped: a client would send it again for ever.
const DROPPED: [what: string, payload: string, why: RegExp][] = [
  ['telemetry of nothing', '', /no JSON/],
  ['telemetry that is text', 'hello', /no JSON/],
  ['telemetry cut in half', JSON.stringify(G1).slice(0, 60), /no JSON/],
  ['telemetry that is a list', '[1,2]', /no JSON/],
  ['telemetry that is null', 'null', /no JSON/],
  ['telemetry that names another user', JSON.stringify({ ...G1, userId: 'somebody-else' }), /another user/],
  [
    'telemetry that names the same id in another case',
    JSON.stringify({ ...G1, userId: 'PARTNER/USER 42' }),
    /another user/,
  ],
  ['a latitude of 90.1', JSON.stringify({ ...G1, latitude: 90.1 }), /out of range/],
  ['a longitude of -181', JSON.stringify({ ...G1, longitude: -181 }), /out of range/],
  ['a latitude as text', JSON.stringify({ ...G1, latitude: '41.4' }), /out of range/],
  ['a latitude alone', JSON.stringify({ timestamp: TIMESTAMP, latitude: 1 }), /out of range/],
]

for (const name of ['embedded', 'redis']) {
  t.test(`with the ${name} store`, async (t) => {
    const redis = name === 'redis' ? await startRedis(t) : null
    const broker = await startBroker(t, { env: redis ? { REDIS_URL: redis.url } : {} })
    const connect = (who: string, version: 4 | 5) =>
      connectPhone(t, broker.ports.mqtt, broker.credentials(who), { version })

    for (const version of [4, 5] as const) {
      t.test(
        `contract 6: telemetry of both generations is kept on all its topics, version ${version}`,
        async (t) => {
          const phone = await connect(`partner/user 42 v${version}`, version)
          const own = encodeAsDart(phone.user.externalUserId)
          for (const topic of ['tel/data', `tel/${own}/data`, `tel/${phone.user.userId}/data`])
            for (const payload of [
              G1,
              G2,
              { ...G1, userId: phone.user.externalUserId },
              { ...G1, userId: phone.user.userId },
              { ...G1, userId: own },
            ])
              t.equal(await phone.publish(topic, payload), 0)
        },
      )

      for (const [what, payload] of KEPT) {
        t.test(`contract 6: ${what} is kept, version ${version}`, async (t) => {
          const phone = await connect(`${what} v${version}`, version)
          t.equal(await phone.publish('tel/data', { timestamp: TIMESTAMP, latitude: 7, longitude: 8 }), 0)
          t.equal(await phone.publish('tel/data', payload), 0)
        })
      }

      for (const [what, payload, why] of DROPPED) {
        const answer = version === 5 ? 'PUBACK 0x99' : 'its PUBACK'
        t.test(`design 4: ${what} gets ${answer} and is dropped, version ${version}`, async (t) => {
          const phone = await connect(`${what} v${version}`, version)
          t.equal(await phone.publish('tel/data', payload), version === 5 ? 0x99 : 0)
          const line = await broker.logged(
            (l) => l.msg === 'telemetry dropped' && l.userId === phone.user.userId,
          )
          t.match(line.why, why)
          t.equal(await phone.publish('tel/data', G1), 0, 'and the session goes on')
        })
      }
    }

    t.test('contract 6: dropped telemetry is counted', async (t) => {
      const metrics = await (await fetch(`http://127.0.0.1:${broker.ports.admin}/metrics`)).text()
      t.match(
        metrics,
        `connect_broker_messages_total{kind="telemetry",outcome="dropped"} ${DROPPED.length * 2}`,
      )
    })

    t.test(
      'contract 6: a heartbeat and 0,0 of a wearable never become a position; what was dropped is not there',
      async (t) => {
        const store = redis ? await openOtherNode(t, redis.url) : await openStoreOf(t, broker)
        const all = await store.telemetry.readLatest('demo-app', 1_000)
        const of = (who: string) => all.filter(({ externalUserId }) => externalUserId === who)
        for (const version of [4, 5]) {
          t.equal(of(`partner/user 42 v${version}`).length, 15)
          for (const [what, payload, position] of KEPT) {
            const who = `${what} v${version}`
            const [newest, before] = of(who)
            t.strictSame(
              newest?.fields,
              fieldsOf(payload as Record<string, unknown>),
              `${what}: every field as it came`,
            )
            t.strictSame(newest?.position ?? null, position, `${what}: position`)
            t.equal(newest?.occurredAt, TIMESTAMP)
            t.same(before?.position, { latitude: 7, longitude: 8 })
            t.same(
              await lastPosition(store, who),
              position ?? { latitude: 7, longitude: 8 },
              `${what}: last position`,
            )
          }
          for (const [what] of DROPPED)
            t.equal(of(`${what} v${version}`).length, 1, `${what}: only the good one`)
        }
        t.same(await store.events.readLatest('demo-app', 1), [], 'and telemetry raises nothing')
      },
    )
  })
}

async function lastPosition(store: Store, externalUserId: string): Promise<object | undefined> {
  const user: Phone['user'] = createUser({ appId: 'demo-app', externalUserId })
  return (await store.telemetry.readLastPosition(user))?.position
}

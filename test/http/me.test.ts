import { join } from 'node:path'
import t from 'tap'
import { createLog } from '../../ops/log.js'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'
import { openRedisStore } from '../../store/redis/redis-store.js'
import { withBothStores } from '../support/both-stores.js'
import type { Backing } from '../support/both-stores.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import {
  readContacts,
  readDevices,
  readError,
  readHistory,
  readIncident,
  readIncidentOrNull,
  readNothing,
  readUser,
} from '../support/sdk-reader.js'

const REPORT = { timestamp: '2026-05-01T10:00:00.123Z', latitude: 41.4, longitude: 2.2, altitude: 0 }
const PROFILE = {
  name: 'Ana Ñandú 安',
  email: 'ana@example.org',
  phone: '+34600000001',
  address: 'Calle 1, 2º B',
}
const UNSET = { name: '', email: '', phone: '', address: '' }

t.test('the profile of a user', (t) =>
  withBothStores(t, async (t, backing) => {
    const { broker } = backing

    t.test('contract 9: GET me of a new user has his ids and "" for all that is unset', async (t) => {
      const answer = await createPhone(broker, broker.credentials('new/user:1')).get('/v1/sdk/me')
      t.match(readUser(answer), { app_id: 'demo-app', external_user_id: 'new/user:1', ...UNSET })
    })

    t.test('contract 9: PUT me keeps what is absent and clears what is ""', async (t) => {
      const phone = createPhone(broker, broker.credentials('ann'))
      const { id } = readUser(await phone.get('/v1/sdk/me'))
      t.match(readUser(await phone.put('/v1/sdk/me', PROFILE)), { id, ...PROFILE })
      t.match(readUser(await phone.put('/v1/sdk/me', { name: 'Ann' })), { ...PROFILE, name: 'Ann' })
      const cleared = { ...PROFILE, name: 'Ann', phone: '', email: '' }
      t.match(readUser(await phone.put('/v1/sdk/me', { phone: '', email: '' })), cleared)
      t.match(readUser(await phone.put('/v1/sdk/me', {})), cleared)
      t.match(readUser(await phone.get('/v1/sdk/me')), { id, external_user_id: 'ann', ...cleared })
    })

    t.test('contract 9: the longest values fit', async (t) => {
      const phone = createPhone(broker, broker.credentials('long'))
      const longest = {
        name: 'ñ'.repeat(120),
        email: 'e'.repeat(254),
        phone: '+123456789012345',
        address: 'a'.repeat(255),
      }
      t.match(readUser(await phone.put('/v1/sdk/me', longest)), longest)
    })

    t.test('PUT me cannot change who the user is', async (t) => {
      const phone = createPhone(broker, broker.credentials('bo'))
      const before = readUser(await phone.get('/v1/sdk/me'))
      const json = '{"id":"x","app_id":"y","external_user_id":"z","__proto__":{"name":"p"},"constructor":1}'
      t.strictSame(readUser(await phone.put('/v1/sdk/me', Buffer.from(json))), before)
    })

    for (const [field, value] of [
      ['name', 'x'.repeat(121)],
      ['name', null],
      ['name', 'a\u0007b'],
      ['email', 'e'.repeat(255)],
      ['phone', '600000001'],
      ['phone', '+0123'],
      ['phone', '+34 600 000 001'],
      ['phone', '+1234567890123456'],
      ['address', 'a'.repeat(256)],
      ['address', { street: 'x' }],
    ] as const) {
      const shown = JSON.stringify(value).slice(0, 24)
      t.test(`PUT me with a bad ${field} is 400, names it and changes nothing: ${shown}`, async (t) => {
        const phone = createPhone(broker, broker.credentials('cy'))
        const { message } = readError(await phone.put('/v1/sdk/me', { name: 'Cy', [field]: value }), 400)
        t.match(message, new RegExp(`^${field}: `))
        if (typeof value === 'string') t.notOk(message.includes(value))
        t.match(readUser(await phone.get('/v1/sdk/me')), UNSET)
      })
    }

    t.test('the same external id in another case is another user', async (t) => {
      const lower = createPhone(broker, broker.credentials('case'))
      const upper = createPhone(broker, broker.credentials('CASE'))
      await lower.put('/v1/sdk/me', { name: 'lower' })
      const [one, two] = [readUser(await lower.get('/v1/sdk/me')), readUser(await upper.get('/v1/sdk/me'))]
      t.not(one.id, two.id)
      t.equal(two.name, '')
    })

    // Last, because it stops the broker to look at what is left in the store.
    t.test('contract 9: DELETE me forgets everything but an open incident until it is closed', async (t) => {
      const credentials = broker.credentials('gone')
      const phone = createPhone(broker, credentials)
      const other = createPhone(broker, broker.credentials('stays'))
      const { id: userId } = readUser(await phone.get('/v1/sdk/me'))
      for (const user of [phone, other]) {
        await user.put('/v1/sdk/me', PROFILE)
        await user.post('/v1/sdk/contacts', { name: 'Marta', phone: '+34600000001' })
        await user.post('/v1/sdk/telemetry', REPORT)
        await user.post('/v1/sdk/telemetry', { ...REPORT, kind: 'HEARTBEAT' })
      }
      const deviceId = 'CF:82:00:00:00:42'
      await phone.post('/v1/sdk/devices', { hardware_id: deviceId })
      const { id } = readIncident(await phone.post('/v1/sdk/sos', { ...REPORT, deviceId }))
      t.ok((await readUserAsBackend(backing, 'gone')).position)

      readNothing(await phone.delete('/v1/sdk/me'))

      t.match(readUser(await phone.get('/v1/sdk/me')), { id: userId, ...UNSET })
      t.strictSame(readContacts(await phone.get('/v1/sdk/contacts')), [])
      t.strictSame(readDevices(await phone.get('/v1/sdk/devices')), [])
      t.match(await readUserAsBackend(backing, 'gone'), { position: null, devices: [], contacts: [] })
      readError(await other.post('/v1/sdk/sos', { ...REPORT, deviceId }), 422)
      t.equal(readIncidentOrNull(await phone.get('/v1/sdk/sos'))?.id, id)
      t.match(readIncident(await phone.post('/v1/sdk/sos/resolve')), { id, state: 'resolved' })
      t.match(readHistory(await phone.get('/v1/sdk/sos/history')).incidents, [{ id }])
      readNothing(await phone.delete('/v1/sdk/me'))

      t.match(readUser(await other.get('/v1/sdk/me')), PROFILE, 'nobody else is forgotten')
      t.equal(readContacts(await other.get('/v1/sdk/contacts')).length, 1)
      t.ok((await readUserAsBackend(backing, 'stays')).position)
      await broker.stop()
      const kept = await readTelemetry(backing)
      t.strictSame(
        kept.map(({ externalUserId }) => externalUserId),
        ['stays', 'stays'],
      )
    })
  }),
)

async function readUserAsBackend({ broker }: Backing, externalUserId: string) {
  const path = `/v1/backend/users/${encodeURIComponent(externalUserId)}`
  const { json } = await send(broker, 'http', 'GET', path, { headers: backendHeaders(broker) })
  return json as { position: object | null }
}

/** The app's telemetry as it lies in the store of a broker that has stopped. */
async function readTelemetry({ broker, redis }: Backing) {
  const retention = { telemetryPerApp: 100, eventsPerApp: 100, reportKeysPerUser: 100, days: 1 }
  const { log } = createLog({ level: 'fatal', isTerminal: false })
  const store = redis
    ? await openRedisStore({ url: redis.url, retention, log })
    : openEmbeddedStore({ directory: join(broker.dataDir, 'store'), retention })
  const records = await store.telemetry.readLatest('demo-app', 100)
  await store.stop()
  return records
}

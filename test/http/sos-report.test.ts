import t from 'tap'
import { withBothStores } from '../support/both-stores.js'
import { openEventSession } from '../support/event-session.js'
import { createPhone } from '../support/http.js'
import { readError, readIncident, readIncidentOrNull, readUser } from '../support/sdk-reader.js'

const AT = (second: number) => `2026-05-01T10:00:${String(second).padStart(2, '0')}.123Z`
const REPORT = { timestamp: AT(0), latitude: 41.4, longitude: 2.2, altitude: 12.5 }
const G2_REPORT = {
  ...REPORT,
  hardwareId: undefined,
  identitySource: 'app',
  source: 'commercial_app',
  triggerSource: 'button_ui',
  owner: 'app',
  message: 'Pie roto — いたい',
  mobileBattery: 81,
  mobileCoverage: { signalStrength: 3, networkType: 'lte', isConnected: true },
}

t.test('reporting an SOS over HTTP', (t) =>
  withBothStores(t, async (t, { broker }) => {
    t.test('contract 9: GET sos is 200 and null while nothing is open', async (t) => {
      const answer = await createPhone(broker, broker.credentials('calm')).get('/v1/sdk/sos')
      t.equal(answer.status, 200)
      t.equal(answer.text, '{"incident":null}')
    })

    t.test('contract 9: POST sos is 200 with the incident, and GET shows the same', async (t) => {
      const phone = createPhone(broker, broker.credentials('hiker'))
      const opened = readIncident(await phone.post('/v1/sdk/sos', G2_REPORT))
      t.match(opened, {
        state: 'active',
        status: 'active',
        timestamp: AT(0),
        latitude: 41.4,
        longitude: 2.2,
        altitude: 12.5,
        source: 'commercial_app',
        triggerSource: 'button_ui',
        message: 'Pie roto — いたい',
        actuators: { snapshotVersion: 1, items: [] },
      })
      t.notOk('deviceId' in opened || 'positionSnapshot' in opened)
      t.strictSame(readIncident(await phone.get('/v1/sdk/sos')), opened)
    })

    t.test('contract 7: a report over HTTP sends processed to the MQTT session in both forms', async (t) => {
      const credentials = broker.credentials('ann/1')
      const phone = createPhone(broker, credentials)
      const { id: userId } = readUser(await phone.get('/v1/sdk/me'))
      const filters = [`sos/events/${userId}`, 'sos/events/ann%2F1']
      const session = await openEventSession(t, broker, credentials, filters)
      const { id } = readIncident(await phone.post('/v1/sdk/sos', REPORT))
      const [byUuid, byExternalId] = await Promise.all(
        filters.map((filter) => session.until(({ topic }) => topic === filter)),
      )
      const common = {
        type: 'processed',
        appId: 'demo-app',
        incidentId: id,
        occurredAt: AT(0),
        actuators: [],
      }
      t.match(byUuid?.event, { ...common, userId, status: 'active', snapshotVersion: 1 })
      t.match(byExternalId?.event, { ...common, userId: 'ann/1' })
      t.notOk('status' in (byExternalId?.event ?? {}) || 'state' in (byExternalId?.event ?? {}))
      t.equal(byUuid?.event.eventId, byExternalId?.event.eventId)
      t.equal(session.received.length, 2)
    })

    t.test('an SOS over MQTT shows in GET at once after its PUBACK', async (t) => {
      const credentials = broker.credentials('bo')
      const phone = createPhone(broker, credentials)
      const session = await openEventSession(t, broker, credentials, ['sos/events/bo'])
      await session.publish('sos/alerts/bo', JSON.stringify(REPORT))
      const shown = readIncident(await phone.get('/v1/sdk/sos'))
      t.match(shown, { state: 'active', timestamp: AT(0), latitude: 41.4 })
      const { event } = await session.until(() => true)
      t.equal(event.incidentId, shown.id)
    })

    t.test('contract 5: reports by MQTT and by HTTP are one incident, in either order', async (t) => {
      const credentials = broker.credentials('cy')
      const phone = createPhone(broker, credentials)
      const session = await openEventSession(t, broker, credentials, ['sos/events/cy'])
      const first = readIncident(await phone.post('/v1/sdk/sos', REPORT))
      await session.publish('sos/alerts', JSON.stringify({ timestamp: AT(5), userId: 'cy' }))
      const second = readIncident(await phone.get('/v1/sdk/sos'))
      const third = readIncident(
        await phone.post('/v1/sdk/sos', { timestamp: AT(9), latitude: 41.5, longitude: 2.1, altitude: 1 }),
      )
      t.strictSame([second.id, third.id], [first.id, first.id])
      t.strictSame([first.timestamp, second.timestamp, third.timestamp], [AT(0), AT(5), AT(9)])
      t.match(second, { latitude: 41.4, longitude: 2.2 }, 'a report without a fix keeps the last one')
      t.equal(third.latitude, 41.5)
      await session.until(({ event }) => event.occurredAt === AT(9))
      t.strictSame(
        session.received.map(({ event }) => event.occurredAt),
        [AT(0), AT(5), AT(9)],
      )
    })

    t.test('contract 5: the same report by MQTT and by HTTP counts once', async (t) => {
      const credentials = broker.credentials('di')
      const phone = createPhone(broker, credentials)
      const session = await openEventSession(t, broker, credentials, ['sos/events/di'])
      await session.publish('sos/alerts', JSON.stringify(REPORT))
      const repeat = readIncident(await phone.post('/v1/sdk/sos', REPORT))
      t.equal(repeat.actuators?.snapshotVersion, 1)
      await session.publish('sos/alerts', JSON.stringify(REPORT))
      await phone.post('/v1/sdk/sos', { timestamp: AT(1) })
      await session.until(({ event }) => event.occurredAt === AT(1))
      t.strictSame(
        session.received.map(({ event }) => [event.incidentId, event.occurredAt]),
        [AT(0), AT(1)].map((at) => [repeat.id, at]),
      )
    })

    t.test('a report whose time lies before the last one counts too', async (t) => {
      const phone = createPhone(broker, broker.credentials('ed'))
      const first = readIncident(await phone.post('/v1/sdk/sos', { timestamp: AT(30) }))
      const second = readIncident(await phone.post('/v1/sdk/sos', { timestamp: AT(10) }))
      t.match(second, { id: first.id, timestamp: AT(10), actuators: { snapshotVersion: 2 } })
    })

    const unreadable: Record<string, Buffer> = {
      'an empty body': Buffer.alloc(0),
      'no JSON at all': Buffer.from('help'),
      'half a JSON object': Buffer.from(`{"timestamp":"${AT(0)}","latitude":41.4,"longitude":2.2,"mess`),
      'Latin-1 text': Buffer.from(`{"timestamp":"${AT(0)}","message":"caf\xe9"}`, 'latin1'),
      'a JSON array': Buffer.from('[1,2]'),
      'bytes of no text': Buffer.from([0, 255, 254, 1, 0xc3, 0x28]),
    }
    for (const [name, body] of Object.entries(unreadable)) {
      t.test(`contract 5: ${name} still raises an SOS over HTTP`, async (t) => {
        const phone = createPhone(broker, broker.credentials(`raw ${name}`))
        const opened = readIncident(await phone.post('/v1/sdk/sos', body))
        t.strictSame(readIncident(await phone.get('/v1/sdk/sos')), opened)
        if (name === 'half a JSON object') t.match(opened, { latitude: 41.4, timestamp: AT(0) })
        if (name === 'Latin-1 text') t.equal(opened.message, 'café')
      })
    }

    t.test('a bad field or position is left out of the SOS and does not cost it', async (t) => {
      const phone = createPhone(broker, broker.credentials('fe'))
      const opened = readIncident(
        await phone.post('/v1/sdk/sos', {
          timestamp: 'yesterday',
          latitude: 95,
          longitude: '2',
          message: 7,
          source: {},
          deviceId: ['x'],
          userId: 'somebody else',
        }),
      )
      t.strictSame(Object.keys(opened).toSorted(), [
        'actuators',
        'createdAt',
        'id',
        'state',
        'status',
        'timestamp',
      ])
      t.ok(readIncidentOrNull(await phone.get('/v1/sdk/sos')))
    })

    for (const type of ['text/plain', 'application/octet-stream', 'nonsense', undefined]) {
      t.test(`an SOS is raised whatever its content type says: ${type}`, async (t) => {
        const phone = createPhone(broker, broker.credentials(`type ${type}`))
        const headers = { 'Content-Type': type }
        t.match(readIncident(await phone.post('/v1/sdk/sos', REPORT, { headers })), { latitude: 41.4 })
        const other = createPhone(broker, broker.credentials(`type ${type} and empty`))
        t.match(readIncident(await other.post('/v1/sdk/sos', undefined, { headers })), { state: 'active' })
      })
    }

    t.test('contract 9: an SOS that names an unknown device is 422 and opens nothing', async (t) => {
      const phone = createPhone(broker, broker.credentials('gil'))
      for (const deviceId of ['CF:82:00:00:00:99', '\ud800', 'a\u0000b', '__proto__']) {
        const refusal = readError(await phone.post('/v1/sdk/sos', { ...REPORT, deviceId }), 422)
        t.equal(refusal.code, 'validation_error')
        t.match(refusal.message, /^deviceId: /)
      }
      t.equal(readIncidentOrNull(await phone.get('/v1/sdk/sos')), null)
    })
  }),
)

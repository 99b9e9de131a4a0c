import t from 'tap'
import type { Incident, LifecycleEvent } from '../../store/store.js'
import { startBroker } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import type { Version } from '../support/phone.js'
import { openStoreOf } from '../support/stored.js'

const TIMESTAMP = '2026-05-01T10:00:00.123Z'
const G1 = { timestamp: TIMESTAMP, latitude: 41.4, longitude: 2.2, altitude: 0 }
const G2 = {
  ...G1,
  deviceId: '305419896',
  hardwareId: 'CF:82:00:00:00:01',
  identitySource: 'ble_node',
  nodeId: 305419896,
  originatorNodeId: 305419896,
  relayNodeId: 7,
  source: 'button_ui',
  triggerSource: 'death_man_protocol',
  owner: 'app',
  message: 'Broken leg',
  osWidgetActivation: { at: TIMESTAMP },
  deviceBattery: { rawValue: 3, range: 'ok' },
  deviceCoverage: { signalStrength: 2, networkType: 'lora', isConnected: true },
  mobileCoverage: { signalStrength: 4, networkType: '5g', isConnected: true },
  mobileBattery: 81,
}
const POSITION = { latitude: 41.4, longitude: 2.2, altitude: 0 }
const utf8 = (value: unknown) => Buffer.from(JSON.stringify(value))
const latin1 = (value: unknown) => Buffer.from(JSON.stringify(value), 'latin1')

interface Case {
  what: string
  payload: Buffer
  /** What the stored report holds (undefined: holds no such thing). */
  report: Record<string, unknown>
  notes?: string[]
}

const noPosition = { position: undefined, positionAt: undefined }
const CASES: Case[] = [
  {
    what: 'a G1 report',
    payload: utf8({ ...G1, userId: 'x' }),
    report: {
      timestamp: TIMESTAMP,
      position: POSITION,
      positionAt: TIMESTAMP,
      fields: undefined,
      raw: undefined,
    },
    notes: ['names-another-user'],
  },
  {
    what: 'a G2 report',
    payload: utf8(G2),
    report: {
      timestamp: TIMESTAMP,
      position: POSITION,
      // Nobody has registered the device, so the incident names none.
      deviceId: undefined,
      hardwareId: undefined,
      source: 'button_ui',
      triggerSource: 'death_man_protocol',
      message: 'Broken leg',
      fields: {
        deviceId: '305419896',
        hardwareId: 'CF:82:00:00:00:01',
        nodeId: 305419896,
        originatorNodeId: 305419896,
        deviceBattery: { rawValue: 3, range: 'ok' },
        mobileBattery: 81,
        osWidgetActivation: { at: TIMESTAMP },
      },
    },
    notes: ['unknown-device'],
  },
  {
    what: 'a G2 report without a fix',
    payload: utf8({ timestamp: TIMESTAMP, source: 'os_widget' }),
    report: { ...noPosition, source: 'os_widget' },
  },
  {
    what: 'null in every optional field',
    payload: utf8({ ...G1, userId: null, deviceId: null, message: null, source: null }),
    report: { position: POSITION, deviceId: undefined, message: undefined },
  },
  {
    what: 'optional fields of the wrong kind',
    payload: utf8({ ...G1, message: { a: 1 }, source: 7, triggerSource: [], deviceId: true }),
    report: {
      position: POSITION,
      message: undefined,
      source: undefined,
      triggerSource: undefined,
      deviceId: undefined,
    },
    notes: ['bad-field', 'bad-field', 'bad-field', 'bad-field'],
  },
  {
    what: 'a message of 5,000 characters',
    payload: utf8({ ...G1, message: 'x'.repeat(5_000) }),
    report: { position: POSITION, message: undefined },
    notes: ['bad-field'],
  },
  {
    what: 'a latitude of 91',
    payload: utf8({ ...G1, latitude: 91 }),
    report: noPosition,
    notes: ['bad-position'],
  },
  {
    what: 'a longitude of -180.1',
    payload: utf8({ ...G1, longitude: -180.1 }),
    report: noPosition,
    notes: ['bad-position'],
  },
  {
    what: 'a latitude without a longitude',
    payload: utf8({ timestamp: TIMESTAMP, latitude: 1 }),
    report: noPosition,
    notes: ['bad-position'],
  },
  {
    what: 'coordinates as text',
    payload: utf8({ ...G1, latitude: '41.4', longitude: '2.2' }),
    report: noPosition,
    notes: ['bad-position'],
  },
  {
    what: 'a latitude beyond every number',
    payload: Buffer.from(`{"timestamp":"${TIMESTAMP}","latitude":1e999,"longitude":2}`),
    report: noPosition,
    notes: ['bad-position'],
  },
  {
    what: 'an altitude that is none',
    payload: utf8({ ...G1, altitude: 'high' }),
    report: { position: { latitude: 41.4, longitude: 2.2 } },
  },
  {
    what: 'exactly 0,0 of a wearable',
    payload: utf8({
      timestamp: TIMESTAMP,
      latitude: 0,
      longitude: 0,
      altitude: 0,
      identitySource: 'ble_node',
    }),
    report: noPosition,
  },
  {
    what: 'exactly 0,0 of an app',
    payload: utf8({ timestamp: TIMESTAMP, latitude: 0, longitude: 0 }),
    report: { position: { latitude: 0, longitude: 0 } },
  },
  {
    what: 'the poles and the date line',
    payload: utf8({ timestamp: TIMESTAMP, latitude: -90, longitude: 180 }),
    report: { position: { latitude: -90, longitude: 180 } },
  },
  {
    what: 'a zone-less time, which is UTC',
    payload: utf8({ ...G1, timestamp: '2026-05-01T10:00:00.5' }),
    report: { timestamp: '2026-05-01T10:00:00.5Z' },
  },
  {
    what: 'a time with an offset',
    payload: utf8({ ...G1, timestamp: '2026-05-01T12:00:00.123+02:00' }),
    report: { timestamp: '2026-05-01T12:00:00.123+02:00' },
  },
  {
    what: '6 fraction digits',
    payload: utf8({ ...G1, timestamp: '2026-05-01T10:00:00.123456Z' }),
    report: { timestamp: '2026-05-01T10:00:00.123456Z' },
  },
  {
    what: 'no timestamp',
    payload: utf8({ latitude: 41.4, longitude: 2.2, altitude: 0 }),
    report: { position: POSITION, reportKey: undefined },
    notes: ['no-usable-timestamp'],
  },
  {
    what: 'a timestamp that is none',
    payload: utf8({ ...G1, timestamp: 'yesterday' }),
    report: { position: POSITION, reportKey: undefined },
    notes: ['no-usable-timestamp'],
  },
  {
    what: 'a timestamp as a number',
    payload: utf8({ ...G1, timestamp: 1777629600123 }),
    report: { position: POSITION, reportKey: undefined },
    notes: ['no-usable-timestamp'],
  },
  {
    what: 'the 30th of February',
    payload: utf8({ ...G1, timestamp: '2026-02-30T10:00:00Z' }),
    report: { position: POSITION, reportKey: undefined },
    notes: ['no-usable-timestamp'],
  },
  {
    what: 'Latin-1 text',
    payload: latin1({ ...G1, message: 'Ich bin am Ätna, 3°C' }),
    report: { position: POSITION, message: 'Ich bin am Ätna, 3°C', raw: undefined },
  },
  {
    what: 'UTF-8 text',
    payload: utf8({ ...G1, message: 'エトナ山 😀' }),
    report: { message: 'エトナ山 😀', raw: undefined },
  },
  {
    what: 'UTF-8 behind a byte order mark',
    payload: Buffer.concat([Buffer.from('efbbbf', 'hex'), utf8(G1)]),
    report: { timestamp: TIMESTAMP, position: POSITION, raw: undefined },
  },
  {
    what: 'unknown fields',
    payload: utf8({ ...G1, colour: 'red', nested: { a: [1, 2] } }),
    report: { fields: { colour: 'red', nested: { a: [1, 2] } } },
  },
  {
    what: 'a userId of somebody else',
    payload: utf8({ ...G1, userId: 'somebody-else' }),
    report: { position: POSITION, timestamp: TIMESTAMP },
    notes: ['names-another-user'],
  },
  {
    what: 'a userId that is no text',
    payload: utf8({ ...G1, userId: { id: 'x' } }),
    report: { position: POSITION, timestamp: TIMESTAMP },
    notes: ['names-another-user'],
  },
  {
    what: '__proto__ and constructor as keys',
    payload: Buffer.from(
      `{"timestamp":"${TIMESTAMP}","__proto__":{"latitude":1,"longitude":2,"deviceId":"evil"},"constructor":{"prototype":{"status":"resolved"}}}`,
    ),
    report: { ...noPosition, deviceId: undefined, status: undefined },
  },
]

const broker = await startBroker(t)
const times = new Map<string, string>()

for (const [i, { what, payload, notes = [] }] of CASES.entries()) {
  const version: Version = i % 2 === 0 ? 5 : 4
  t.test(`contract 5: an SOS with ${what} is raised for the sender, version ${version}`, async (t) => {
    const phone = await connectPhone(t, broker.ports.mqtt, broker.credentials(what), { version })
    await phone.subscribe(phone.uuidTopic)
    t.equal(await phone.publish('sos/alerts', payload), 0)
    const { event } = await phone.nextEvent()
    t.match(event, { type: 'processed', status: 'active', userId: phone.user.userId, snapshotVersion: 1 })
    times.set(what, String(event.occurredAt))
    const line = await broker.logged(
      ({ msg, userId }) => msg === 'sos stored' && userId === phone.user.userId,
    )
    t.same(line.notes, notes)
  })
}

t.test('contract 5: and everything that could be read of it was stored', async (t) => {
  const store = await openStoreOf(t, broker)
  const incidents = new Map(
    (await store.events.readLatest('demo-app', 1_000)).map((event: LifecycleEvent) => [
      event.externalUserId,
      event,
    ]),
  )
  for (const { what, report } of CASES) {
    const event = incidents.get(what) as LifecycleEvent
    const incident = (await store.incidents.readOpen(event)) as Incident
    t.match(incident, { status: 'active', reports: 1, externalUserId: what })
    t.match(incident.report, report, what)
    t.equal(incident.report.timestamp, times.get(what), `${what}: occurredAt is the report's timestamp`)
    if (incident.report.reportKey === undefined)
      t.equal(incident.report.timestamp, incident.createdAt, `${what}: the server's clock stands in`)
  }
  t.equal(Object.hasOwn(Object.prototype, 'status'), false)
})

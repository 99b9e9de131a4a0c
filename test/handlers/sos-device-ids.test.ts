import t from 'tap'
import type { Incident } from '../../store/store.js'
import { startBroker } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import type { Version } from '../support/phone.js'
import { openStoreOf } from '../support/stored.js'

const TIMESTAMP = '2026-05-01T10:00:00.000Z'
// What was sent, and what is kept; undefined: nothing, and the SOS stands.
const IDS: [what: string, sent: unknown, kept: string | undefined][] = [
  ['an upper-case MAC', 'CF:82:00:00:00:01', 'CF:82:00:00:00:01'],
  ['a lower-case MAC', 'cf:82:00:00:00:01', 'cf:82:00:00:00:01'],
  ['a node id in decimal', '4294967295', '4294967295'],
  ['a node id with leading zeros', '007', '007'],
  ['a BLE id of iOS', '6F1E5A52-0C5B-4E44-9A41-2F6F3A0C1D6C', '6F1E5A52-0C5B-4E44-9A41-2F6F3A0C1D6C'],
  ['an advertised name', 'Meshtastic_1aa8', 'Meshtastic_1aa8'],
  ['not ASCII', 'Gerät №1 😀', 'Gerät №1 😀'],
  ['blanks around it', '  CF:82:00:00:00:01\n', 'CF:82:00:00:00:01'],
  ['128 characters', 'x'.repeat(128), 'x'.repeat(128)],
  ['129 characters', 'x'.repeat(129), undefined],
  ['30,000 characters', 'x'.repeat(30_000), undefined],
  ['empty text', '', undefined],
  ['blanks alone', '   ', undefined],
  ['true', true, undefined],
  ['a fraction', 1.5, undefined],
  ['a number no double can hold', 2 ** 60, undefined],
  ['a list', ['CF:82:00:00:00:01'], undefined],
  ['an object', { id: 'CF:82:00:00:00:01' }, undefined],
  ['null', null, undefined],
]

const broker = await startBroker(t)

for (const [i, [what, sent]] of IDS.entries()) {
  const version: Version = i % 2 === 0 ? 4 : 5
  t.test(`contract 10: an SOS whose device id is ${what} is raised, version ${version}`, async (t) => {
    const phone = await connectPhone(t, broker.ports.mqtt, broker.credentials(what), { version })
    await phone.subscribe(phone.uuidTopic)
    const report = { timestamp: TIMESTAMP, latitude: 41.4, longitude: 2.2, deviceId: sent, hardwareId: sent }
    t.equal(await phone.publish('sos/alerts', report), 0)
    t.match((await phone.nextEvent()).event, { type: 'processed', occurredAt: TIMESTAMP })
  })
}

t.test(
  'contract 10: device ids are kept as opaque text of at most 128 characters, or not at all',
  async (t) => {
    const store = await openStoreOf(t, broker)
    const raised = await store.events.readLatest('demo-app', 100)
    t.equal(raised.length, IDS.length)
    for (const [what, , kept] of IDS) {
      const user = raised.find(({ externalUserId }) => externalUserId === what)
      const { report } = (user && (await store.incidents.readOpen(user))) as Incident
      // Nobody has registered these devices, so the incident names none; the ids stay with the fields as they came.
      t.notOk(report.deviceId ?? report.hardwareId, `no device: ${what}`)
      t.equal(report.fields?.deviceId, kept, `deviceId: ${what}`)
      t.equal(report.fields?.hardwareId, kept, `hardwareId: ${what}`)
      t.match(report.position, { latitude: 41.4, longitude: 2.2 }, 'and nothing else was lost')
    }
  },
)

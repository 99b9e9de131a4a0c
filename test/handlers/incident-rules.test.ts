import t from 'tap'
import { acknowledge, close, report } from '../../handlers/incident-rules.js'
import type { Stamp } from '../../handlers/incident-rules.js'
import { isOpen } from '../../store/store.js'
import type { Incident, SosReport } from '../../store/store.js'

const USER = { appId: 'demo-app', userId: 'u-1', externalUserId: 'alice' }
const stamp = (n: number): Stamp => ({
  now: new Date(Date.UTC(2026, 4, 1, 10, n)),
  incidentId: `incident-${n}`,
  eventId: `event-${n}`,
})
const REPORT: SosReport = {
  timestamp: '2026-05-01T10:00:00.000Z',
  reportKey: 'k1',
  position: { latitude: 41.4, longitude: 2.2 },
  positionAt: '2026-05-01T10:00:00.000Z',
  deviceId: '7',
}
const NONE = new Set<string>()
const none = { openIncident: null, counted: NONE }
const active = report(USER, REPORT, stamp(0), { mayReopen: false })(none).incident as Incident
const acknowledged = acknowledge(stamp(1))({ openIncident: active, counted: NONE }).incident as Incident

t.test('contract 8: a report opens, updates an open incident and keeps the state it is in', async (t) => {
  t.match(active, { incidentId: 'incident-0', status: 'active', version: 1, reports: 1 })
  for (const openIncident of [active, acknowledged]) {
    const change = report(USER, { timestamp: 't2', reportKey: 'k2' }, stamp(2), { mayReopen: false })({
      openIncident,
      counted: NONE,
    })
    t.match(change.incident, { incidentId: 'incident-0', status: openIncident.status, reports: 2 })
    t.match(change.event, { type: 'processed', status: openIncident.status, report: { timestamp: 't2' } })
    t.strictSame(change.reportKeys, ['k2'])
  }
})

t.test(
  'contract 5: a report without a fix or a device keeps the ones known, each with its own time',
  async (t) => {
    const later = { timestamp: '2026-05-01T10:05:00.000Z', reportKey: 'k2', message: 'cold' }
    const { incident } = report(USER, later, stamp(2), { mayReopen: false })({
      openIncident: active,
      counted: NONE,
    })
    t.strictSame(incident?.report, {
      timestamp: '2026-05-01T10:05:00.000Z',
      reportKey: 'k2',
      position: { latitude: 41.4, longitude: 2.2 },
      positionAt: '2026-05-01T10:00:00.000Z',
      deviceId: '7',
      message: 'cold',
    })
  },
)

t.test('contract 5: a repeat changes nothing; only a way on which old times are usual reopens', async (t) => {
  for (const mayReopen of [false, true]) {
    t.strictSame(
      report(USER, REPORT, stamp(3), { mayReopen })({ openIncident: active, counted: new Set(['k1']) }),
      {
        result: { is: 'repeat', incident: active },
      },
    )
  }
  const closed = { openIncident: null, counted: new Set(['k1']) }
  t.strictSame(report(USER, REPORT, stamp(3), { mayReopen: false })(closed), {
    result: { is: 'repeat', incident: null },
  })
  t.match(report(USER, REPORT, stamp(3), { mayReopen: true })(closed), {
    result: { is: 'opened' },
    incident: { incidentId: 'incident-3' },
  })
})

t.test('contract 8: the transitions of the table, and no other', async (t) => {
  for (const openIncident of [active, acknowledged]) {
    for (const status of ['cancelled', 'resolved'] as const) {
      const { incident, event, result } = close(status, stamp(4))({ openIncident, counted: NONE })
      t.equal(result.is, 'closed')
      t.match(incident, {
        status,
        [`${status}At`]: '2026-05-01T10:04:00.000Z',
        version: openIncident.version + 1,
      })
      t.match(event, { type: status, status, incidentId: 'incident-0' })
    }
  }
  t.match(acknowledge(stamp(1))({ openIncident: active, counted: NONE }), {
    result: { is: 'acknowledged' },
    event: { type: 'acknowledged', status: 'acknowledged' },
  })
  t.strictSame(acknowledge(stamp(5))({ openIncident: acknowledged, counted: NONE }), {
    result: { is: 'already', incident: acknowledged },
  })
  for (const rule of [close('cancelled', stamp(6)), close('resolved', stamp(6)), acknowledge(stamp(6))])
    t.strictSame(rule(none), { result: { is: 'none-open' } })
})

t.test('contract 8: active and acknowledged are open, cancelled and resolved are closed', async (t) => {
  t.same((['active', 'acknowledged', 'cancelled', 'resolved'] as const).map(isOpen), [
    true,
    true,
    false,
    false,
  ])
})

t.test(
  'a rule asked twice answers the same: the store asks again when another node was faster',
  async (t) => {
    const rules = [
      report(USER, REPORT, stamp(7), { mayReopen: false }),
      acknowledge(stamp(7)),
      close('resolved', stamp(7)),
    ]
    const before = JSON.stringify(active)
    for (const rule of rules) {
      const state = { openIncident: active, counted: NONE }
      t.strictSame(rule(state), rule(state))
    }
    t.equal(JSON.stringify(active), before, 'and leaves what it was shown as it was')
  },
)

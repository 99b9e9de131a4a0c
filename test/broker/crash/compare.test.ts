import t from 'tap'
import { createUser } from '../../../auth/identity.js'
import { compare } from '../../../bench/crash/compare.js'
import { createLedger } from '../../../bench/crash/ledger.js'
import type { Ledger, Publication } from '../../../bench/crash/ledger.js'
import type { Stored } from '../../../bench/crash/stored.js'

type Event = Stored['events'][0]

const alice = createUser({ appId: 'crash-app', externalUserId: 'alice' })

t.test('what was acknowledged and is stored once holds, also beside what was never answered', async (t) => {
  const { ledger, stored } = threeReports()
  ledger.write('sos', alice, true)
  t.match(compare(ledger, stored), {
    acknowledged: { sos: 2, telemetry: 1 },
    found: { sos: 2, telemetry: 1 },
    unacknowledged: { sos: 1, telemetry: 0 },
    lost: 0,
    duplicated: 0,
    overtaken: 0,
    problems: [],
  })
})

t.test('an acknowledged report or telemetry that is not stored is lost', async (t) => {
  const { ledger, stored } = threeReports()
  const [, , , telemetry] = ledger.publications
  const late = ledger.write('sos', alice, true)
  ledger.acknowledge(late)
  t.equal(compare(ledger, stored).lost, 1)
  const { lost, problems } = compare(ledger, { ...stored, telemetry: [] })
  t.equal(lost, 2)
  t.strictSame(problems.toSorted(), [
    `lost: sos ${late.n} was acknowledged and is not stored`,
    `lost: telemetry ${telemetry?.n} was acknowledged and is not stored`,
  ])
})

t.test('what is stored twice is duplicated, acknowledged or not', async (t) => {
  const { ledger, stored } = threeReports()
  const { telemetry, events } = stored
  t.equal(compare(ledger, { ...stored, telemetry: [...telemetry, ...telemetry] }).duplicated, 1)
  const again = { ...(events[2] as Event), eventId: 'again', version: 4 }
  t.match(compare(ledger, { ...stored, events: [...events, again] }), { duplicated: 1, lost: 0 })
})

t.test('a closing that was answered and is not stored is lost', async (t) => {
  const { ledger, stored } = threeReports()
  ledger.noteClosed('i-1')
  t.equal(compare(ledger, stored).lost, 1)
})

t.test('each thing that an incident and its events must not be is a problem', async (t) => {
  const { ledger, stored } = threeReports()
  const [first, second, third] = stored.events as [Event, Event, Event]
  const [incident] = stored.incidents as [Stored['incidents'][0]]
  const [trail] = stored.trails as [Stored['trails'][0]]
  const twice = { ...incident, id: 'i-2' }
  const twoPoints = [...trail.times, trail.times[0] as string]
  const wrong: [what: string, change: Partial<Stored>, problem: RegExp][] = [
    ['a gap', { events: [first, second, { ...third, version: 4 }] }, /version 4 follows 2/],
    ['a repetition', { events: [first, second, { ...third, version: 2 }] }, /version 2 follows 2/],
    ['another order', { events: [first, third, second] }, /version 3 follows 1/],
    ['an event of nothing', { incidents: [], openIncidents: [] }, /of an incident that is not there/],
    [
      'an event behind the end',
      { events: [first, { ...second, status: 'resolved' }, third] },
      /after resolved/,
    ],
    ['an old incident', { incidents: [{ ...incident, reports: 2 }] }, /its events say active, version 3, 3/],
    ['an open one not listed', { openIncidents: [] }, /0 incidents are listed as open; 1 are/],
    ['two open', { openIncidents: [incident, twice], incidents: [incident, twice] }, /two open incidents/],
    ['an incident twice', { incidents: [incident, incident] }, /in the list twice/],
    ['a point twice', { trails: [{ ...trail, times: twoPoints }] }, /in trails twice/],
    ['a report without a point', { trails: [{ ...trail, times: trail.times.slice(1) }] }, /in no trail/],
    ['a point of another', { trails: [{ ...trail, incidentId: 'i-2' }] }, /in a foreign trail/],
    ['an event twice', { events: [first, second, { ...third, eventId: first.eventId }] }, /in the log twice/],
    [
      'a report of nobody',
      { events: [first, second, { ...third, report: { timestamp: 'x' } }] },
      /nobody sent/,
    ],
  ]
  for (const [what, change, problem] of wrong)
    t.match(compare(ledger, { ...stored, ...change }).problems.join('; '), problem, what)
})

t.test(
  'a report counted in behind a later one of its connection was overtaken, which is no loss',
  async (t) => {
    const { ledger, stored } = threeReports()
    const [first, second, third] = stored.events as [Event, Event, Event]
    const events = [first, { ...third, version: 2 }, { ...second, version: 3 }]
    t.match(compare(ledger, { ...stored, events }), { overtaken: 1, lost: 0, problems: [] })
  },
)

/** Three reports, two of them acknowledged, in one incident, and a position. */
function threeReports(): { ledger: Ledger; stored: Stored } {
  const ledger = createLedger()
  const reports = [1, 2, 3].map(() => ledger.write('sos', alice, true))
  const position = ledger.write('telemetry', alice, true)
  for (const publication of [reports[0], reports[1], position]) ledger.acknowledge(publication as Publication)
  const incident = {
    id: 'i-1',
    status: 'active',
    reports: 3,
    user: alice,
    actuators: { snapshotVersion: 3 },
  }
  const { timestamp: at, n } = position
  return {
    ledger,
    stored: {
      events: reports.map((report, i) => ({
        ...alice,
        id: `${i + 1}`,
        eventId: `e-${i}`,
        type: 'processed',
        incidentId: 'i-1',
        status: 'active',
        version: i + 1,
        at: report.timestamp,
        report: { timestamp: report.timestamp, fields: { n: report.n } },
      })),
      incidents: [incident],
      openIncidents: [incident],
      trails: [{ incidentId: 'i-1', times: [...reports.map(({ timestamp }) => timestamp), at] }],
      telemetry: [{ ...alice, occurredAt: at, receivedAt: at, fields: { n } }],
    },
  }
}

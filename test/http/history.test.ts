import t from 'tap'
import { withBothStores } from '../support/both-stores.js'
import { openEventSession } from '../support/event-session.js'
import { createPhone } from '../support/http.js'
import type { Phone } from '../support/http.js'
import { readError, readHistory, readIncident } from '../support/sdk-reader.js'
import type { SdkPastIncident } from '../support/sdk-reader.js'

const AT = (second: number) => `2026-05-01T10:00:${String(second).padStart(2, '0')}.123Z`
const at = (second: number) => ({
  timestamp: AT(second),
  latitude: 41 + second / 100,
  longitude: 2,
  altitude: 7,
})
const pointAt = (second: number) => ({
  occurredAt: AT(second),
  latitude: 41 + second / 100,
  longitude: 2,
  altitude: 7,
})

t.test('the history of incidents', (t) =>
  withBothStores(t, async (t, { broker }) => {
    t.test('contract 9: history of a user without incidents is an empty page', async (t) => {
      const page = await createPhone(broker, broker.credentials('calm')).get('/v1/sdk/sos/history')
      t.strictSame(readHistory(page), {
        incidents: [],
        pagination: { next_cursor: null, has_more: false },
      })
    })

    t.test('contract 9: pages follow their cursor from the newest to the oldest incident', async (t) => {
      const phone = createPhone(broker, broker.credentials('often'))
      const other = createPhone(broker, broker.credentials('somebody else'))
      await other.post('/v1/sdk/sos', at(0))
      const ids = await openIncidents(phone, 7)
      const pages = []
      for (let cursor = ''; ;) {
        const page = readHistory(await phone.get(`/v1/sdk/sos/history?limit=3${cursor}`))
        pages.push(page)
        if (!page.pagination.has_more) break
        cursor = `&cursor=${encodeURIComponent(page.pagination.next_cursor ?? '')}`
      }
      t.strictSame(
        pages.map(({ incidents }) => incidents.length),
        [3, 3, 1],
      )
      const all = pages.flatMap(({ incidents }) => incidents)
      t.strictSame(all.map(({ id }) => id).toSorted(), ids.toSorted(), 'each of them once, and nobody else’s')
      t.ok(isNewestFirst(all), 'newest first')
      t.strictSame(
        all.map(({ state }) => state),
        ['active', ...Array.from({ length: 6 }, () => 'cancelled')],
      )

      const one = readHistory(await phone.get('/v1/sdk/sos/history?limit=7'))
      t.equal(one.incidents.length, 7)
      t.strictSame(one.pagination, { next_cursor: null, has_more: false }, 'a full last page is the last')
    })

    t.test('a page goes on where it stopped although a new incident came first', async (t) => {
      const phone = createPhone(broker, broker.credentials('meanwhile'))
      await openIncidents(phone, 4)
      const first = readHistory(await phone.get('/v1/sdk/sos/history?limit=2'))
      await phone.post('/v1/sdk/sos/cancel')
      const { id } = readIncident(await phone.post('/v1/sdk/sos', { timestamp: AT(50) }))
      const cursor = first.pagination.next_cursor ?? ''
      const second = readHistory(await phone.get(`/v1/sdk/sos/history?limit=2&cursor=${cursor}`))
      const seen = [...first.incidents, ...second.incidents].map((incident) => incident.id)
      t.equal(new Set(seen).size, 4)
      t.notOk(seen.includes(id))
    })

    t.test('contract 9: each incident has its first position and its trail while it was open', async (t) => {
      const phone = createPhone(broker, broker.credentials('walker'))
      await phone.post('/v1/sdk/telemetry', at(1)) // before
      const { id } = readIncident(await phone.post('/v1/sdk/sos', at(2)))
      await phone.post('/v1/sdk/telemetry', at(3))
      await phone.post('/v1/sdk/sos', { timestamp: AT(4) }) // without a fix
      await phone.post('/v1/sdk/sos', at(5))
      await phone.post('/v1/sdk/telemetry', {
        timestamp: AT(6),
        kind: 'HEARTBEAT',
        latitude: 0,
        longitude: 0,
        altitude: 0,
      })
      await phone.post('/v1/sdk/telemetry', at(7))
      await phone.post('/v1/sdk/sos/resolve')
      await phone.post('/v1/sdk/telemetry', at(8)) // after

      const { incidents } = readHistory(await phone.get('/v1/sdk/sos/history'))
      t.equal(incidents.length, 1)
      const [incident] = incidents
      t.match(incident, { id, state: 'resolved', timestamp: AT(5), latitude: 41.05 })
      t.match(incident?.creationTelemetry, pointAt(2))
      t.strictSame(incident?.trail, [2, 3, 5, 7].map(pointAt))
    })

    t.test('an incident without any position has neither creationTelemetry nor trail', async (t) => {
      const phone = createPhone(broker, broker.credentials('indoors'))
      await phone.post('/v1/sdk/sos', { timestamp: AT(0) })
      const { incidents } = readHistory(await phone.get('/v1/sdk/sos/history'))
      t.match(incidents, [{ creationTelemetry: null, trail: [] }])
    })

    t.test('a trail is bounded in the answer and ends with the newest point', async (t) => {
      const credentials = broker.credentials('long way')
      const phone = createPhone(broker, credentials)
      const session = await openEventSession(t, broker, credentials, [])
      const reports = Array.from({ length: 205 }, (_, i) => ({
        ...at(0),
        timestamp: `2026-05-01T09:00:00.${i + 100}Z`,
      }))
      await Promise.all(reports.map((report) => session.publish('sos/alerts', JSON.stringify(report))))
      await phone.post('/v1/sdk/telemetry', at(59))
      const { incidents } = readHistory(await phone.get('/v1/sdk/sos/history'))
      const trail = incidents[0]?.trail ?? []
      t.equal(trail.length, 200)
      t.strictSame(trail.at(-1), pointAt(59))
    })

    for (const [query, field] of [
      ['cursor=nonsense', 'cursor'],
      [`cursor=${Buffer.from('000000000000001:short').toString('base64url')}`, 'cursor'],
      ['limit=0', 'limit'],
      ['limit=51', 'limit'],
      ['limit=many', 'limit'],
      ['limit=1.5', 'limit'],
    ] as const) {
      t.test(`history with ${query} is 400 and names ${field}`, async (t) => {
        const phone = createPhone(broker, broker.credentials('curious'))
        const { message } = readError(await phone.get(`/v1/sdk/sos/history?${query}`), 400)
        t.match(message, new RegExp(`^${field}: `))
      })
    }

    t.test('a cursor of somebody else shows nothing of him', async (t) => {
      const owner = createPhone(broker, broker.credentials('owner'))
      const thief = createPhone(broker, broker.credentials('thief'))
      await openIncidents(owner, 3)
      const { pagination } = readHistory(await owner.get('/v1/sdk/sos/history?limit=1'))
      const page = readHistory(await thief.get(`/v1/sdk/sos/history?cursor=${pagination.next_cursor}`))
      t.strictSame(page.incidents, [])
    })
  }),
)

/** Opens incidents one after the other, cancelling each but the last. */
async function openIncidents(phone: Phone, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i++) {
    if (i > 0) await phone.post('/v1/sdk/sos/cancel')
    ids.push(readIncident(await phone.post('/v1/sdk/sos', at(i))).id)
  }
  return ids
}

function isNewestFirst(incidents: SdkPastIncident[]): boolean {
  return incidents.every(({ createdAt }, i) => i === 0 || createdAt <= (incidents[i - 1]?.createdAt ?? ''))
}

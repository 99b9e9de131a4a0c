import t from 'tap'
import { backendOf, connectPhone, sdkOf, sosReport, startNodes } from '../support/api.js'
import type { Client, IncidentJson } from '../support/api.js'

const USERS = 23

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test("an app's incidents come in pages, newest first, each once", async (t) => {
      const backend = backendOf(two)
      const users = Array.from({ length: USERS }, (_, i) =>
        sdkOf(i % 2 ? one : two, one.credentials(`user-${i}`, 'app-a')),
      )
      const answers = await Promise.all(users.map((sdk) => sdk.post('/sos', sosReport())))
      const opened = answers.map(({ body }) => body.incident?.id ?? '')
      await sdkOf(one, one.credentials('user-0', 'app-b')).post('/sos', sosReport())
      const closed = opened.filter((_id, i) => i % 3 === 0)
      const resolved = await Promise.all(closed.map((id) => backend.post(`/incidents/${id}/resolve`)))
      t.ok(resolved.every(({ status }) => status === 200))
      const stillOpen = opened.filter((id) => !closed.includes(id))

      for (const limit of [5, 14, 15, 23, 50]) {
        const open = await readPages(backend, 'open', limit)
        t.same(ids(open).toSorted(), stillOpen.toSorted(), `all open, ${limit} a page`)
        t.ok(isNewestFirst(open), 'newest first')
        const all = await readPages(backend, 'all', limit)
        t.same(ids(all).toSorted(), opened.toSorted(), `all, ${limit} a page`)
        t.ok(isNewestFirst(all), 'newest first')
      }
      const standard = await backend.get('/incidents')
      t.same(ids(standard.body.incidents ?? []), ids(await readPages(backend, 'open', 20)).slice(0, 20))

      const first = await backend.get('/incidents?state=all&limit=10')
      const newcomer = sdkOf(one, one.credentials('newcomer', 'app-a'))
      await newcomer.post('/sos', sosReport())
      const next = await backend.get(
        `/incidents?state=all&limit=10&cursor=${first.body.pagination?.next_cursor}`,
      )
      const both = [...ids(first.body.incidents ?? []), ...ids(next.body.incidents ?? [])]
      t.equal(new Set(both).size, 20, 'one that opens meanwhile moves no page')

      for (const query of ['limit=0', 'limit=51', 'limit=x', 'cursor=bm9uZQ', 'cursor=..', 'state=closed']) {
        const { status, body } = await backend.get(`/incidents?${query}`)
        t.match({ status, code: body.error?.code }, { status: 400, code: 'invalid_payload' }, query)
      }
    })

    await t.test('one incident shows its reports, its trail and its user', async (t) => {
      const login = one.credentials('hiker', 'app-b')
      const phone = await connectPhone(t, one, login)
      await phone.report({
        latitude: 1,
        message: 'fell',
        triggerSource: 'button_ui',
        nodeHint: { deep: [1] },
      })
      await phone.telemetry({ latitude: 2 })
      await phone.telemetry({ kind: 'HEARTBEAT', latitude: 0, longitude: 0, altitude: 0 })
      await sdkOf(two, login).post('/telemetry', sosReport({ latitude: 3 }))
      const last = sosReport()
      const withoutFix = { timestamp: last.timestamp, message: 'still here' }
      await sdkOf(two, login).post('/sos', withoutFix)
      const { incidentId } = await phone.next()
      const { status, body } = await backendOf(two, 'app-b').get(`/incidents/${incidentId}`)
      t.equal(status, 200)
      t.match(body.incident, {
        id: incidentId,
        state: 'active',
        user: { userId: phone.userId, externalUserId: 'hiker' },
        reports: 2,
        relayedBy: [],
        message: 'still here',
        triggerSource: 'button_ui',
        timestamp: last.timestamp,
        latitude: 1,
        longitude: 2.2,
      })
      t.not(body.incident?.positionAt, last.timestamp, 'the position keeps its own time')
      t.match(body.incident?.fields, { nodeHint: { deep: [1] } }, 'unknown fields are kept')
      t.same(
        body.trail?.map(({ latitude }) => latitude),
        [1, 2, 3],
      )
      t.match(body.trail?.[0], { occurredAt: /^2026-05-01T/, longitude: 2.2, altitude: 12.5 })
    })
  })
}

async function readPages(backend: Client, state: string, limit: number): Promise<IncidentJson[]> {
  const found: IncidentJson[] = []
  for (let cursor = ''; ;) {
    const { body } = await backend.get(`/incidents?state=${state}&limit=${limit}${cursor}`)
    const { next_cursor: next, has_more: hasMore } = body.pagination ?? { next_cursor: '', has_more: false }
    if (hasMore !== (next !== null)) throw new Error('has_more and next_cursor disagree')
    if ((body.incidents?.length ?? 0) > limit) throw new Error('more than a page')
    found.push(...(body.incidents ?? []))
    if (next === null) return found
    if (body.incidents?.length !== limit) throw new Error('a page with a next one is not full')
    cursor = `&cursor=${next}`
  }
}

function ids(incidents: IncidentJson[]): string[] {
  return incidents.map(({ id }) => id)
}

function isNewestFirst(incidents: IncidentJson[]): boolean {
  const times = incidents.map(({ createdAt }) => String(createdAt))
  return times.every((time, i) => i === 0 || time <= (times[i - 1] ?? ''))
}

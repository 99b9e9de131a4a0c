import t from 'tap'
import { backendOf, connectPhone, eventLogOf, sdkOf, sosReport, startNodes } from '../support/api.js'

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test('the event log of an app is read from any place, in order', async (t) => {
      const backend = backendOf(two)
      const phone = await connectPhone(t, one, one.credentials('user-7', 'app-a'))
      t.same((await backend.get('/events')).body, { events: [], next: '0' }, 'empty')
      const reports = Array.from({ length: 12 }, () => sosReport())
      for (const report of reports) await phone.report(report)
      await sdkOf(two, one.credentials('user-7', 'app-a')).post('/sos/cancel')
      await sdkOf(two, one.credentials('user-7', 'app-b')).post('/sos', sosReport())

      const all = (await backend.get('/events')).body
      t.equal(all.events?.length, 13)
      t.same(
        all.events?.slice(0, 12).map(({ report }) => report?.timestamp),
        reports.map(({ timestamp }) => timestamp),
      )
      t.same(
        all.events?.map(({ version }) => version),
        reports.map((_report, i) => i + 1).concat(13),
      )
      t.match(all.events?.at(-1), { type: 'cancelled', by: 'user user-7', appId: 'app-a' })
      t.equal(all.next, all.events?.at(-1)?.id)
      for (const limit of [1, 5, 13]) {
        const read: string[] = []
        for (let after = '0'; read.length < 13;) {
          const { body } = await backend.get(`/events?limit=${limit}&after=${after}`)
          t.equal(body.events?.length, Math.min(limit, 13 - read.length))
          read.push(...(body.events ?? []).map(({ id }) => id))
          after = body.next ?? ''
        }
        t.same(
          read,
          all.events?.map(({ id }) => id),
          `${limit} at a time`,
        )
      }
      t.same((await backend.get(`/events?after=${all.next}`)).body, { events: [], next: all.next })
      t.match((await backendOf(one, 'app-b').get('/events')).body.events, [
        { type: 'processed', appId: 'app-b' },
      ])

      const badPlaces = [
        'after=x',
        'after=-1',
        'after=1-',
        'after=99999999999999999999',
        'after=1-99999999999999999999',
      ]
      for (const query of [...badPlaces, 'limit=0', 'limit=501', 'wait=61', 'wait=-1']) {
        const { status, body } = await backend.get(`/events?${query}`)
        t.match({ status, code: body.error?.code }, { status: 400, code: 'invalid_payload' }, query)
      }
    })

    await t.test('an event that comes meanwhile ends a long poll', async (t) => {
      const login = one.credentials('user-7', 'app-a')
      const phone = await connectPhone(t, one, login)
      const other = sdkOf(one, one.credentials('user-7', 'app-b'))
      const before = await eventLogOf(one)
      let after = before.at(-1)?.id ?? '0'
      for (let i = 0; i < 10; i++) {
        // One of the other app first: it must not end the wait with nothing.
        const polled = backendOf(two).get(`/events?wait=60&after=${after}`)
        await other.post('/sos', sosReport())
        const report = sosReport()
        await phone.report(report)
        const { status, body } = await polled
        t.equal(status, 200)
        t.same(
          body.events?.map((event) => [event.type, event.report?.timestamp]),
          [['processed', report.timestamp]],
        )
        after = body.next ?? ''
      }
      t.equal((await eventLogOf(two)).length, before.length + 10)
      const { body } = await backendOf(one).get(`/events?wait=1&after=${after}`)
      t.same(body, { events: [], next: after }, 'and without one it ends empty')
    })
  })
}

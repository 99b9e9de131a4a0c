import t from 'tap'
import { backendOf, connectPhone, eventLogOf, sdkOf, sosReport, startNodes } from '../support/api.js'
import type { Answer } from '../support/api.js'

for (const setup of ['embedded store', 'redis store', 'two nodes'] as const) {
  t.test(`200 concurrent reports of one user, both ways, are one incident; ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    const login = one.credentials('user-7', 'app-a')
    const phones = [await connectPhone(t, one, login), await connectPhone(t, two, login)]
    const sdks = [sdkOf(one, login), sdkOf(two, login)]
    const reports = Array.from({ length: 200 }, () => sosReport())
    const answers: Answer[] = []
    await Promise.all(
      reports.map(async (report, i) => {
        if (i % 4 < 2) return phones[i % 2]?.report(report)
        const answer = await sdks[i % 2]?.post('/sos', report)
        return answer && answers.push(answer)
      }),
    )
    t.equal(answers.length, 100)
    const { incidents = [] } = (await backendOf(two).get('/incidents?state=all')).body
    t.equal(incidents.length, 1)
    t.equal(incidents[0]?.reports, 200)
    t.same([...new Set(answers.map(({ status }) => status))], [200])
    t.same([...new Set(answers.map(({ body }) => body.incident?.id))], [incidents[0]?.id])
    const log = await eventLogOf(one)
    t.same(
      log.map(({ version }) => version),
      reports.map((_report, i) => i + 1),
    )
    const counted = log.map(({ report }) => report?.timestamp).toSorted()
    t.same(counted, reports.map(({ timestamp }) => timestamp).toSorted(), 'each once')
    for (const phone of phones) {
      const told = await Promise.all(reports.map(() => phone.next()))
      t.equal(new Set(told.map(({ eventId }) => eventId)).size, 200, 'each session hears each once')
    }

    await t.test('100 concurrent cancels and resolves: one terminal state, told once', async (t) => {
      const closes = await Promise.all(
        Array.from({ length: 100 }, (_, i) => sdks[i % 2]?.post(i % 4 < 2 ? '/sos/cancel' : '/sos/resolve')),
      )
      t.same([...new Set(closes.map((answer) => answer?.status))], [200])
      const winners = closes.flatMap((answer) => answer?.body.incident ?? [])
      t.equal(winners.length, 1, 'the others read null')
      t.equal(closes.filter((answer) => answer?.body.incident === null).length, 99)
      t.equal(winners[0]?.id, incidents[0]?.id)
      const state = winners[0]?.state ?? ''
      t.ok(['cancelled', 'resolved'].includes(state))
      const kept = (await backendOf(one).get(`/incidents/${winners[0]?.id}`)).body.incident
      t.equal(kept?.state, state)
      await phones[0]?.report()
      for (const phone of phones) {
        t.match(await phone.next(), { type: state, incidentId: winners[0]?.id })
        t.match(await phone.next(), { type: 'processed', status: 'active' }, 'and then the next SOS')
      }
    })
  })
}

import t from 'tap'
import type { Test } from 'tap'
import { backendOf, connectPhone, eventLogOf, sdkOf, sosReport, startNodes } from '../support/api.js'
import type { EventJson } from '../support/api.js'

const ROUNDS = 20

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(
    `contract 8: races of report, acknowledge and cancel leave a story that can be; ${setup}`,
    async (t) => {
      const [one, two] = await startNodes(t, setup)
      const login = one.credentials('user-7', 'app-a')
      const phone = await connectPhone(t, one, login)
      const sdk = sdkOf(two, login)

      await t.test('report against cancel: no report is lost, no closed incident lives on', async (t) => {
        const sent: string[] = []
        for (let i = 0; i < ROUNDS; i++) {
          const [before, racing] = [sosReport(), sosReport()]
          sent.push(before.timestamp, racing.timestamp)
          await phone.report(before)
          const racer = i % 2 ? phone.report(racing) : sdkOf(one, login).post('/sos', racing)
          const [cancelled] = await Promise.all([sdk.post('/sos/cancel'), racer])
          if (cancelled.status !== 200 || !cancelled.body.incident)
            t.fail('the cancel had an incident to close')
          const open = (await sdk.get('/sos')).body.incident
          const stories = storiesOf(await eventLogOf(two))
          const last = stories.get(String(cancelled.body.incident?.id)) ?? []
          const wasIn = last.some(({ report }) => report?.timestamp === racing.timestamp)
          if (wasIn === Boolean(open)) t.fail('the report is in the closed incident or has opened a new one')
          if (open && (open.id === cancelled.body.incident?.id || open.timestamp !== racing.timestamp))
            t.fail('the open incident is not the one of the report')
          if (open) await sdk.post('/sos/cancel')
        }
        const log = await eventLogOf(one)
        const counted = log.flatMap(({ report }) => report?.timestamp ?? [])
        t.same(counted.toSorted(), sent.toSorted(), 'every report was counted in once')
        checkStories(t, log)
      })

      await t.test('acknowledge against cancel: acknowledged before, or not at all', async (t) => {
        let acknowledgements = 0
        for (let i = 0; i < ROUNDS; i++) {
          await phone.report()
          const id = (await sdk.get('/sos')).body.incident?.id
          const [answer] = await Promise.all([
            backendOf(one).post(`/incidents/${id}/acknowledge`),
            sdk.post('/sos/cancel'),
          ])
          const types = (storiesOf(await eventLogOf(two)).get(String(id)) ?? []).map(({ type }) => type)
          const wanted =
            answer.status === 200 ? ['processed', 'acknowledged', 'cancelled'] : ['processed', 'cancelled']
          if (![200, 404].includes(answer.status)) t.fail(`acknowledge answered ${answer.status}`)
          if (answer.status === 200) acknowledgements++
          t.same(types, wanted)
        }
        t.comment(`${acknowledgements} of ${ROUNDS} acknowledgements came first`)
        checkStories(t, await eventLogOf(one))
      })

      await t.test('an SOS over MQTT is there for the other node at once after its PUBACK', async (t) => {
        for (let i = 0; i < ROUNDS; i++) {
          const report = sosReport({ latitude: i })
          await phone.report(report)
          const { status, body } = await sdk.get('/sos')
          t.match(
            { status, ...body },
            { status: 200, incident: { timestamp: report.timestamp, latitude: i } },
          )
          if (i % 3 === 0) {
            await sdk.post('/sos/resolve')
            t.same((await sdkOf(one, login).get('/sos')).body, { incident: null })
          }
        }
      })
    },
  )
}

function storiesOf(log: EventJson[]): Map<string, EventJson[]> {
  const stories = new Map<string, EventJson[]>()
  for (const event of log) stories.set(event.incidentId, [...(stories.get(event.incidentId) ?? []), event])
  return stories
}

/** Versions without a gap, nothing after the end, and every story over before the next one begins. */
function checkStories(t: Test, log: EventJson[]): void {
  const stories = [...storiesOf(log).values()]
  t.same(stories.flat(), log, 'one incident at a time')
  for (const story of stories) {
    const versions = story.map(({ version }) => version)
    if (versions.some((version, i) => version !== i + 1)) t.same(versions, [], 'versions count up')
    const ends = story.filter(({ type }) => type === 'cancelled' || type === 'resolved')
    if (ends.length > 1 || (ends.length === 1 && story.at(-1) !== ends[0])) t.fail('an event after the end')
  }
}

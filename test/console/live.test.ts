import t from 'tap'
import { backendOf, connectPhone, register, sdkOf, startNodes } from '../support/api.js'
import type { Setup } from '../support/api.js'
import { logIn, openPageStream } from '../support/console.js'
import { readError } from '../support/sdk-reader.js'
import type {
  AppTraffic,
  IncidentNews,
  IncidentRow,
  IncidentStory,
  PersonRow,
} from '../../http/console/wire.js'

const APP_A = { appId: 'app-a', secret: 'old secret of a', who: 'Marta' }
const APP_B = { appId: 'app-b', secret: 'secret of b' }

for (const setup of ['embedded store', 'two nodes'] satisfies Setup[]) {
  t.test(`the live page on ${setup}: what one node takes, the page of the other tells`, async (t) => {
    const [broker, other] = await startNodes(t, setup)
    const marta = await logIn(other, APP_A)
    const stream = await openPageStream(t, other, marta.cookie)
    const foreign = await openPageStream(t, other, (await logIn(other, APP_B)).cookie)
    const ann = broker.credentials('ann', 'app-a', 'old secret of a')
    const phone = await connectPhone(t, broker, ann)
    await sdkOf(broker, ann).put('/me', { name: 'Ann O.' })
    await register(sdkOf(broker, ann), 'CF:82:00:00:00:01')
    let id = ''

    await t.test('an SOS with everything that an operator asks first', async (t) => {
      await phone.report({
        message: 'help',
        mobileBattery: 17,
        deviceBattery: { rawValue: 1, range: 'low' },
        deviceId: 'CF:82:00:00:00:01',
      })
      const news = await stream.next<IncidentNews>('incident')
      t.match(news, {
        type: 'processed',
        incident: {
          appId: 'app-a',
          status: 'active',
          person: { externalUserId: 'ann', name: 'Ann O.' },
          place: { latitude: 41.4, longitude: 2.2 },
          device: 'CF:82:00:00:00:01',
          message: 'help',
          phoneBattery: 17,
          deviceBattery: 'low',
          relayedBy: [],
        },
      })
      id = news?.incident.id ?? ''
      const list = (await marta.get('/apps/app-a/incidents')).json as { incidents: IncidentRow[] }
      t.strictSame(list.incidents, [news?.incident], 'the list says the same')
    })

    await t.test('telemetry moves the person, the incident and its trail', async (t) => {
      await phone.telemetry({
        timestamp: '2026-05-02T10:00:00Z',
        latitude: 41.5,
        longitude: 2.3,
        horizontalAccuracyMeters: 12,
        mobileBattery: 16,
      })
      t.match(await stream.next<PersonRow[]>('positions'), [
        {
          appId: 'app-a',
          person: { externalUserId: 'ann' },
          place: { latitude: 41.5, longitude: 2.3, accuracy: 12 },
          phoneBattery: 16,
        },
      ])
      const { incident, trail } = (await marta.get(`/apps/app-a/incidents/${id}`)).json as IncidentStory
      t.match(incident, { place: { latitude: 41.5, accuracy: 12 }, phoneBattery: 16 })
      t.match(trail.at(0), { latitude: 41.4 })
      t.match(trail.at(-1), { latitude: 41.5 })
      const traffic = (await marta.get('/apps/app-a/traffic')).json as AppTraffic
      t.match(traffic.people, [{ person: { externalUserId: 'ann' }, place: { latitude: 41.5 } }])
    })

    await t.test(
      'an acknowledgement reaches the phone; the story says who, whatever the request claims',
      async (t) => {
        t.match(await phone.next(), { type: 'processed' })
        const answer = await marta.post(`/apps/app-a/incidents/${id}/acknowledge`, {
          note: ' on our way ',
          by: 'the king',
        })
        t.match(answer.json, { incident: { id, status: 'acknowledged' } })
        t.match(await phone.next(), { type: 'acknowledged', status: 'acknowledged', incidentId: id })
        t.match(await stream.next<IncidentNews>('incident'), {
          type: 'acknowledged',
          incident: { id, status: 'acknowledged' },
        })
        const { story, isStoryCut, person } = (await marta.get(`/apps/app-a/incidents/${id}`))
          .json as IncidentStory
        t.match(story, [
          { type: 'processed', version: 1, report: { message: 'help' } },
          { type: 'acknowledged', version: 2, by: 'console (Marta)', note: 'on our way' },
        ])
        t.equal(isStoryCut, false)
        t.match(person, { devices: [/CF:82:00:00:00:01/] })
        const { body } = await backendOf(broker).get('/events')
        t.match(body.events?.at(-1), { type: 'acknowledged', by: 'console (Marta)' }, "the partner's log too")
      },
    )

    await t.test('the story says that the phone was sent each event', async (t) => {
      let told: IncidentStory
      do told = (await marta.get(`/apps/app-a/incidents/${id}`)).json as IncidentStory
      while (told.story.some(({ deliveries }) => deliveries.length === 0))
      t.match(
        told.story.map(({ type, deliveries }) => ({ type, deliveries })),
        [
          { type: 'processed', deliveries: [{ sessions: 1, at: String }] },
          { type: 'acknowledged', deliveries: [{ sessions: 1, at: String }] },
        ],
      )
    })

    await t.test('resolve closes it, once; it is found among the closed ones', async (t) => {
      t.match((await marta.post(`/apps/app-a/incidents/${id}/resolve`)).json, {
        incident: { status: 'resolved' },
      })
      t.match(await phone.next(), { type: 'resolved' })
      t.match(await stream.next<IncidentNews>('incident'), { type: 'resolved', incident: { id } })
      readError(await marta.post(`/apps/app-a/incidents/${id}/acknowledge`), 404)
      t.match((await marta.get('/apps/app-a/incidents')).json, { incidents: [] })
      t.match((await marta.get('/apps/app-a/incidents?state=closed')).json, {
        incidents: [{ id, status: 'resolved' }],
      })
    })

    await t.test("one app's session sees and does nothing in another app", async (t) => {
      const bo = await connectPhone(t, broker, broker.credentials('bo', 'app-b', 'secret of b'))
      await bo.report()
      const told = await foreign.next<IncidentNews>('incident')
      t.equal(told?.incident.appId, 'app-b', "the first that app B's page hears of is its own")
      const theirs = told?.incident.id ?? ''
      const paths = [
        'incidents',
        'incidents?state=closed',
        `incidents/${theirs}`,
        'traffic',
        'gateways',
        'mesh',
        'nodes',
        'webhooks/desk/dead-letters',
      ]
      for (const path of paths) {
        const answer = await marta.get(`/apps/app-b/${path}`)
        t.equal(answer.status, 404, path)
        t.equal(answer.text, (await marta.get(`/apps/nobody/${path}`)).text, 'as of an app that is not there')
      }
      for (const appId of ['app-a', 'app-b'])
        for (const verb of ['acknowledge', 'resolve'])
          readError(await marta.post(`/apps/${appId}/incidents/${theirs}/${verb}`), 404)
      readError(await marta.get(`/apps/app-a/incidents/${theirs}`), 404)
      readError(await marta.post('/apps/app-b/webhooks/desk/dead-letters/redeliver'), 404)
      await phone.report({ message: 'later' })
      t.match(await stream.next<IncidentNews>('incident'), { incident: { appId: 'app-a', message: 'later' } })
      const { body } = await backendOf(broker, 'app-b').get(`/incidents/${theirs}`)
      t.match(body.incident, { state: 'active' })
    })

    await t.test('gateways are shown, and neither made nor given tokens', async (t) => {
      const made = await backendOf(broker).post('/gateways', { gatewayId: 'hut', note: 'roof' })
      const { token } = made.body as { token?: string }
      const shown = await marta.get('/apps/app-a/gateways')
      t.match(shown.json, { gateways: [{ gatewayId: 'hut', note: 'roof' }] })
      t.notOk(shown.text.includes(token ?? ''))
      readError(await marta.post('/apps/app-a/gateways', { gatewayId: 'mine' }), 404)
      readError(await marta.post('/apps/app-a/gateways/hut/rotate'), 404)
      t.match((await marta.get('/apps/app-a/mesh')).json, { why: [] })
    })

    await t.test('a drill of the doctor is marked as one, and only by whose it is', async (t) => {
      const doctor = await connectPhone(
        t,
        broker,
        broker.credentials('connect-broker-doctor', 'app-a', 'old secret of a'),
      )
      const eve = await connectPhone(t, broker, broker.credentials('eve', 'app-a', 'old secret of a'))
      const fields = { drill: true, triggerSource: 'connect_broker_doctor', message: 'DRILL' }
      await doctor.report(fields)
      t.equal((await stream.next<IncidentNews>('incident'))?.incident.isDrill, true)
      await eve.report(fields)
      const real = (await stream.next<IncidentNews>('incident'))?.incident
      t.match(real, { person: { externalUserId: 'eve' }, message: 'DRILL', isDrill: undefined })
    })
  })
}

t.test('every open SOS is in the list, however many', async (t) => {
  const [broker] = await startNodes(t, 'embedded store')
  const marta = await logIn(broker, APP_A)
  const names = Array.from({ length: 120 }, (_, i) => `user-${i}`)
  await Promise.all(
    names.map((name) =>
      sdkOf(broker, broker.credentials(name, 'app-a', 'old secret of a')).post('/sos', {
        timestamp: '2026-05-01T10:00:00Z',
      }),
    ),
  )
  const { incidents } = (await marta.get('/apps/app-a/incidents')).json as { incidents: IncidentRow[] }
  t.strictSame(incidents.map(({ person }) => person.externalUserId).toSorted(), names.toSorted())
  const last = incidents.find(({ person }) => person.externalUserId === 'user-119')
  const { story } = (await marta.get(`/apps/app-a/incidents/${last?.id}`)).json as IncidentStory
  t.match(story, [{ type: 'processed', version: 1 }])
  t.equal(story.length, 1, 'and its story is found among those of all')
})

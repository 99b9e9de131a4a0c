import t from 'tap'
import { backendOf, connectPhone, eventLogOf, sdkOf, startNodes } from '../support/api.js'

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`contract 8: the backend acknowledges, resolves and cancels; ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    const login = one.credentials('user-7', 'app-a')
    const sdk = sdkOf(one, login)
    const phone = await connectPhone(t, one, login)
    const backend = backendOf(two)
    const stranger = backendOf(two, 'app-b')

    await t.test('the first acknowledgement is an event, the second is the same answer', async (t) => {
      await phone.report()
      const { incidentId } = await phone.next()
      const path = `/incidents/${incidentId}/acknowledge`
      const first = await backend.post(path, { by: 'dispatcher Zoë', note: 'help is on its way' })
      t.equal(first.status, 200)
      t.match(first.body.incident, { id: incidentId, state: 'acknowledged', status: 'acknowledged' })
      const second = await backend.post(path, { by: 'somebody else' })
      t.same({ status: second.status, body: second.body }, { status: 200, body: first.body })
      t.match(await phone.next(), { type: 'acknowledged', status: 'acknowledged', incidentId })

      await phone.report()
      t.match(await phone.next(), { type: 'processed', status: 'acknowledged', incidentId }, 'told once')
      t.match((await sdk.get('/sos')).body.incident, { id: incidentId, state: 'acknowledged' })
      const log = (await eventLogOf(two)).filter((event) => event.incidentId === incidentId)
      t.match(log, [
        { type: 'processed', version: 1 },
        { type: 'acknowledged', version: 2, by: 'dispatcher Zoë', note: 'help is on its way' },
        { type: 'processed', version: 3 },
      ])
      t.equal(log.length, 3)
    })

    for (const [verb, state] of [
      ['resolve', 'resolved'],
      ['cancel', 'cancelled'],
    ] as const) {
      await t.test(`${verb} closes it once, and the story says who and why`, async (t) => {
        await sdk.post('/sos/resolve')
        await phone.report()
        let opened = await phone.next()
        while (opened.type !== 'processed') opened = await phone.next()
        const { incidentId } = opened
        const path = `/incidents/${incidentId}`
        const done = await backend.post(`${path}/${verb}`, { by: 'desk 4', note: 'false alarm' })
        t.equal(done.status, 200)
        t.match(done.body.incident, { id: incidentId, state, status: state, [`${state}At`]: /Z$/ })
        t.match(await phone.next(), { type: state, status: state, incidentId, [`${state}At`]: /Z$/ })
        t.same((await sdk.get('/sos')).body, { incident: null })

        for (const again of ['resolve', 'cancel']) {
          const answer = await backend.post(`${path}/${again}`)
          t.same(answer.body, done.body, `${again} again: it stays as it is`)
        }
        const acknowledged = await backend.post(`${path}/acknowledge`)
        t.match({ status: acknowledged.status, code: acknowledged.body.error?.code }, { status: 404 })
        await phone.report()
        t.match(await phone.next(), { type: 'processed', status: 'active' }, 'no second terminal event')
        const log = (await eventLogOf(one)).filter((event) => event.incidentId === incidentId)
        t.match(log, [{ type: 'processed' }, { type: state, by: 'desk 4', note: 'false alarm' }])
        t.equal(log.length, 2)
      })
    }

    await t.test('without a body it was the backend', async (t) => {
      const id = (await sdk.get('/sos')).body.incident?.id
      await backend.post(`/incidents/${id}/acknowledge`)
      t.match((await eventLogOf(two)).at(-1), { type: 'acknowledged', by: 'backend' })
      t.match(await phone.next(), { type: 'acknowledged' })
    })

    await t.test('what another app has is what nobody has', async (t) => {
      const id = (await sdk.get('/sos')).body.incident?.id
      for (const verb of ['acknowledge', 'resolve', 'cancel']) {
        const foreign = await stranger.post(`/incidents/${id}/${verb}`, { by: 'x' })
        const unknown = await stranger.post(`/incidents/${UNKNOWN_ID}/${verb}`, { by: 'x' })
        t.equal(foreign.status, 404)
        t.same([foreign.status, foreign.text], [unknown.status, unknown.text], verb)
      }
      const foreign = await stranger.get(`/incidents/${id}`)
      t.equal(foreign.status, 404)
      t.equal(foreign.text, (await stranger.get(`/incidents/${UNKNOWN_ID}`)).text)
      t.match((await sdk.get('/sos')).body.incident, { id, state: 'acknowledged' }, 'nothing changed')
    })

    await t.test('odd ids are unknown, odd bodies are refused with the field', async (t) => {
      const id = (await sdk.get('/sos')).body.incident?.id
      for (const odd of [
        '0',
        '%00',
        'x'.repeat(500),
        '%F0%9F%86%98'.repeat(250),
        '__proto__',
        '..%2F..%2Fopen',
      ]) {
        t.equal((await backend.get(`/incidents/${odd}`)).status, 404, odd.slice(0, 20))
        t.equal((await backend.post(`/incidents/${odd}/acknowledge`)).status, 404, odd.slice(0, 20))
        t.equal((await backend.post(`/incidents/${odd}/cancel`)).status, 404, odd.slice(0, 20))
      }
      for (const body of [
        { by: 7 },
        { by: 'x'.repeat(129) },
        { note: 'x'.repeat(1_001) },
        { note: 'a\u0000' },
      ]) {
        const { status, body: answer } = await backend.post(`/incidents/${id}/cancel`, body)
        t.equal(status, 400)
        t.match(answer.error?.message, Object.keys(body)[0])
      }
      t.match((await sdk.get('/sos')).body.incident, { id, state: 'acknowledged' })
    })
  })
}

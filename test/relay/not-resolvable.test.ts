import t from 'tap'
import { backendOf, connectPhone, register, sdkOf, sosReport, startNodes } from '../support/api.js'

const MAC = 'CF:82:00:00:00:1D'
const WALKERS = 'CF:82:00:00:00:2D'

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test('contract 5: a device that resolves to nobody is never guessed', async (t) => {
      const helperLogin = one.credentials('helper', 'app-a')
      const helper = sdkOf(two, helperLogin)
      const phone = await connectPhone(t, one, helperLogin)
      const elsewhere = sdkOf(one, one.credentials('helper', 'app-b'))
      await register(elsewhere, MAC) // the same external id, the other app
      await register(sdkOf(one, one.credentials('first', 'app-a')), 'CF:82:00:00:00:22')
      await register(sdkOf(two, one.credentials('second', 'app-a')), 'cf:82:00:00:00:22')

      for (const deviceId of ['CF:82:99:99:99:99', MAC, 'Meshtastic_1aa8', 'x'.repeat(128)]) {
        await t.test(`unknown in this app: ${deviceId.slice(0, 20)}`, async (t) => {
          const { status, body, text } = await helper.post('/sos', sosReport({ deviceId }))
          t.match({ status, code: body.error?.code }, { status: 422, code: 'validation_error' })
          t.notMatch(text, 'app-b')
          t.same((await helper.get('/sos')).body, { incident: null }, 'HTTP raises nothing')

          await phone.report({ deviceId, hardwareId: deviceId })
          const event = await phone.next()
          t.match(event, { type: 'processed', userId: phone.userId })
          const incident = (await helper.get('/sos')).body.incident
          t.equal(incident?.id, event.incidentId, 'MQTT raises it for the sender')
          t.notOk('deviceId' in (incident ?? {}) || 'hardwareId' in (incident ?? {}), 'without a device')
          await helper.post('/sos/cancel')
          t.match(await phone.next(), { type: 'cancelled' })
        })
      }

      for (const way of ['mqtt', 'http'] as const) {
        await t.test(`two owners: raised for the sender, over ${way}`, async (t) => {
          const report = sosReport({ deviceId: 'CF:82:00:00:00:22' })
          if (way === 'mqtt') await phone.report(report)
          else t.equal((await helper.post('/sos', report)).status, 200)
          const event = await phone.next()
          t.match(event, { type: 'processed', userId: phone.userId, occurredAt: report.timestamp })
          const open = (await backendOf(two).get('/incidents')).body.incidents ?? []
          t.same(
            open.map(({ id, user, openedBy }) => ({ id, by: user?.externalUserId, openedBy })),
            [{ id: event.incidentId, by: 'helper', openedBy: undefined }],
          )
          t.notOk('deviceId' in (open[0] ?? {}))
          await helper.post('/sos/cancel')
          await phone.next()
        })
      }

      await t.test('one of two owners reports it himself: his own, with the device', async (t) => {
        const first = sdkOf(two, one.credentials('first', 'app-a'))
        const { body } = await first.post('/sos', sosReport({ deviceId: 'cf:82:00:00:00:22' }))
        t.equal(body.incident?.deviceId, 'cf:82:00:00:00:22')
        t.equal((await first.get('/sos')).body.incident?.id, body.incident?.id)
        t.same((await sdkOf(two, one.credentials('second', 'app-a')).get('/sos')).body, { incident: null })
      })

      t.same((await backendOf(one, 'app-b').get('/incidents?state=all')).body.incidents, [])
      t.same((await backendOf(one, 'app-b').get('/events')).body.events, [], 'the other app heard nothing')
    })

    await t.test('contract 5: telemetry is never re-targeted', async (t) => {
      const owner = sdkOf(one, one.credentials('walker', 'app-a'))
      await register(owner, WALKERS)
      const { body } = await owner.post('/sos', sosReport({ latitude: 1, longitude: 1, altitude: 1 }))
      const phone = await connectPhone(t, one, one.credentials('carrier', 'app-a'))
      const device = { deviceId: WALKERS, hardwareId: WALKERS, latitude: 50, longitude: 50, altitude: 50 }
      await phone.telemetry(device)
      const helper = sdkOf(two, one.credentials('carrier', 'app-a'))
      t.equal((await helper.post('/telemetry', sosReport({ ...device, latitude: 51 }))).status, 200)
      const backend = backendOf(two)
      t.equal((await backend.get('/users/walker')).body.position, null)
      t.match((await backend.get('/users/carrier')).body.position, { latitude: 51, longitude: 50 })
      const { incident, trail } = (await backend.get(`/incidents/${body.incident?.id}`)).body
      t.match(incident, { latitude: 1, reports: 1, relayedBy: [] })
      t.match(trail, [{ latitude: 1, longitude: 1, altitude: 1 }])
      t.equal(trail?.length, 1)
    })
  })
}

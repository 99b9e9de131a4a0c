import t from 'tap'
import { backendOf, connectPhone, register, sdkOf, sosReport, startNodes } from '../support/api.js'

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test('contract 5: who may cancel a relayed SOS', async (t) => {
      const login = (name: string) => one.credentials(name, 'app-a')
      const helper = sdkOf(two, login('helper'))
      const other = sdkOf(one, login('other helper'))
      const NOT_ASSOCIATED = { status: 409, code: 'not_associated' }

      /** A new owner with a device of his own. */
      async function createOwner(name: string) {
        const mac = `CF:82:00:00:00:${name.slice(-2)}`
        await register(sdkOf(one, login(name)), mac)
        return { mac, sdk: sdkOf(one, login(name)), phone: await connectPhone(t, one, login(name)) }
      }
      const cancel = async (client: typeof helper, body?: object) => {
        const { status, body: answer } = await client.post('/sos/cancel', body)
        return { status, code: answer.error?.code, incident: answer.incident }
      }

      await t.test('the relayer whose relay opened it: 200, and the owner is told', async (t) => {
        const { mac, sdk, phone } = await createOwner('owner 01')
        await helper.post('/sos', sosReport({ deviceId: mac, message: 'of the owner' }))
        const { incidentId } = await phone.next()
        const own = await helper.post('/sos', sosReport())
        const { status, incident } = await cancel(helper, { deviceId: mac.toLowerCase() })
        t.equal(status, 200)
        t.match(incident, { id: incidentId, state: 'cancelled' })
        t.notOk('message' in (incident ?? {}) || 'latitude' in (incident ?? {}), 'nothing of the owner')
        t.match(await phone.next(), { type: 'cancelled', status: 'cancelled', incidentId })
        t.same((await sdk.get('/sos')).body, { incident: null })
        t.equal((await helper.get('/sos')).body.incident?.id, own.body.incident?.id, 'his own stays open')
        t.same((await cancel(helper, { deviceId: mac })).incident, null, 'again: 200 and null')
        const logged = (await backendOf(two).get('/events?limit=500')).body.events ?? []
        t.match(
          logged.filter((event) => event.incidentId === incidentId),
          [{ type: 'processed' }, { type: 'cancelled', by: 'relayer helper' }],
        )
        await helper.post('/sos/cancel')
      })

      await t.test('the owner opened it: 409', async (t) => {
        const { mac, sdk, phone } = await createOwner('owner 02')
        await phone.report()
        const { incidentId } = await phone.next()
        await helper.post('/sos', sosReport({ deviceId: mac }))
        t.match(await cancel(helper, { deviceId: mac }), NOT_ASSOCIATED)
        t.match((await sdk.get('/sos')).body.incident, { id: incidentId, state: 'active' })
      })

      await t.test('the owner has reported it himself since: 409', async (t) => {
        const { mac, sdk } = await createOwner('owner 03')
        await helper.post('/sos', sosReport({ deviceId: mac }))
        const { body } = await sdk.post('/sos', sosReport())
        t.match(await cancel(helper, { deviceId: mac }), NOT_ASSOCIATED)
        t.equal((await sdk.get('/sos')).body.incident?.id, body.incident?.id)
      })

      await t.test('another relayer opened it: 409, also when he relayed it too', async (t) => {
        const { mac, sdk } = await createOwner('owner 04')
        const { body } = await other.post('/sos', sosReport({ deviceId: mac }))
        t.match(await cancel(helper, { deviceId: mac }), NOT_ASSOCIATED)
        await helper.post('/sos', sosReport({ deviceId: mac }))
        t.match(await cancel(helper, { deviceId: mac }), NOT_ASSOCIATED)
        t.equal((await sdk.get('/sos')).body.incident?.id, body.incident?.id)
        t.equal((await cancel(other, { deviceId: mac })).incident?.id, body.incident?.id)
      })

      await t.test('two own the device: 409', async (t) => {
        const { mac, sdk } = await createOwner('owner 05')
        await helper.post('/sos', sosReport({ deviceId: mac }))
        await register(sdkOf(two, login('second owner')), mac)
        t.match(await cancel(helper, { deviceId: mac }), NOT_ASSOCIATED)
        t.match((await sdk.get('/sos')).body.incident, { state: 'active' })
      })

      await t.test('unknown device: 422, also when another app knows it', async (t) => {
        await register(sdkOf(one, one.credentials('helper', 'app-b')), 'CF:82:00:00:0B:0B')
        await helper.post('/sos', sosReport())
        for (const deviceId of ['CF:82:00:00:0B:0B', 'CF:82:99:99:99:99', '12'])
          t.match(await cancel(helper, { deviceId }), { status: 422, code: 'validation_error' })
        t.match((await helper.get('/sos')).body.incident, { state: 'active' }, 'his own is not touched')
      })

      await t.test('the own device: the own incident', async (t) => {
        const { mac, sdk } = await createOwner('owner 06')
        const { body } = await sdk.post('/sos', sosReport({ deviceId: mac }))
        t.match(await cancel(sdk, { deviceId: mac }), { status: 200, incident: { id: body.incident?.id } })
      })

      await t.test('resolve takes no device: somebody else’s incident stays', async (t) => {
        const { mac, sdk } = await createOwner('owner 07')
        await other.post('/sos', sosReport({ deviceId: mac }))
        t.same((await other.post('/sos/resolve', { deviceId: mac })).body, { incident: null })
        t.match((await sdk.get('/sos')).body.incident, { state: 'active' })
      })
    })

    t.test(`contract 5: a report of the owner counts although a relay had the same time`, async (t) => {
      const login = one.credentials('owner', 'app-a')
      const owner = sdkOf(one, login)
      const helper = sdkOf(two, one.credentials('helper', 'app-a'))
      const phone = await connectPhone(t, one, login)
      const deviceId = 'CF:82:00:00:00:31'
      await register(owner, deviceId)

      await t.test('while it is open: the relayer may no longer cancel it', async (t) => {
        const { timestamp } = sosReport()
        await helper.post('/sos', sosReport({ deviceId, timestamp }))
        await phone.report({ timestamp })
        const { status, body } = await helper.post('/sos/cancel', { deviceId })
        t.match({ status, code: body.error?.code }, { status: 409, code: 'not_associated' })
        t.match((await owner.get('/sos')).body.incident, { state: 'active' })
        await owner.post('/sos/cancel')
      })

      await t.test('after the relayer has cancelled: it opens a new one', async (t) => {
        const { timestamp } = sosReport()
        await helper.post('/sos', sosReport({ deviceId, timestamp }))
        t.equal((await helper.post('/sos/cancel', { deviceId })).body.incident?.state, 'cancelled')
        await phone.report({ timestamp })
        t.match((await owner.get('/sos')).body.incident, { state: 'active', timestamp })
      })
    })
  })
}

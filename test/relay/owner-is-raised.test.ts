import t from 'tap'
import { backendOf, connectPhone, register, sdkOf, sosReport, startNodes } from '../support/api.js'

const MAC = 'CF:82:0a:00:00:01'
/** Every way to name the owner's device, once his own session has named MAC and number together. */
const NAMES = {
  'deviceId as registered': { deviceId: MAC },
  'deviceId in lower case': { deviceId: MAC.toLowerCase() },
  'deviceId in upper case': { deviceId: MAC.toUpperCase() },
  'deviceId as a number': { deviceId: '2882400001' },
  'hardwareId behind an unknown deviceId': { deviceId: '77', hardwareId: MAC.toUpperCase() },
  'hardwareId alone': { hardwareId: MAC },
  'nodeId as JSON number': { nodeId: 2882400001 },
  originatorNodeId: { originatorNodeId: 2882400001, nodeId: 77 },
}

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test("contract 5: an SOS with another user's device opens that user's incident", async (t) => {
      const ownerLogin = one.credentials('owner: ü/1', 'app-a')
      const helperLogin = one.credentials('helper', 'app-a')
      const owner = sdkOf(one, ownerLogin)
      const helper = sdkOf(two, helperLogin)
      const ownerPhone = await connectPhone(t, one, ownerLogin)
      const helperPhone = await connectPhone(t, two, helperLogin)
      const backend = backendOf(two)
      await register(owner, MAC)
      await ownerPhone.report({ hardwareId: MAC, deviceId: '2882400001' })
      await ownerPhone.next()
      await register(owner, MAC) // the alias is written
      await owner.post('/sos/cancel')
      await ownerPhone.next()

      for (const [i, [name, device]] of Object.entries(NAMES).entries()) {
        const ways = i % 2 === 0 ? (['mqtt', 'http'] as const) : (['http', 'mqtt'] as const)
        await t.test(`${name}, over ${ways[0]} and then over ${ways[1]}`, async (t) => {
          const incidentIds: string[] = []
          for (const way of ways) {
            const report = sosReport({ ...device, latitude: 10, message: 'man over board' })
            if (way === 'mqtt') await helperPhone.report(report)
            else {
              const { status, body, text } = await helper.post('/sos', report)
              t.equal(status, 200)
              t.match(body, { incident: { state: 'active', status: 'active' } })
              const keys = Object.keys(body.incident ?? {}).toSorted()
              t.same(keys, ['actuators', 'createdAt', 'id', 'state', 'status', 'timestamp'])
              for (const secret of [ownerPhone.userId, ownerLogin.externalUserId, MAC, 'man over board'])
                t.notMatch(text, secret, 'the reply holds nothing of the owner')
            }
            const event = await ownerPhone.next()
            t.match(event, { type: 'processed', status: 'active', userId: ownerPhone.userId })
            t.equal(event.occurredAt, report.timestamp)
            incidentIds.push(event.incidentId)
          }
          const [id, ...others] = incidentIds
          t.same(others, [id], 'one incident')

          t.match((await owner.get('/sos')).body.incident, { id, state: 'active', latitude: 10 })
          t.same((await helper.get('/sos')).body, { incident: null }, 'not an SOS of the relayer')
          const seen = (await backend.get(`/incidents/${id}`)).body.incident
          const relayer = { userId: helperPhone.userId, externalUserId: 'helper' }
          t.same(seen?.openedBy, relayer)
          t.same(seen?.relayedBy, [relayer])
          t.same(seen?.user, { userId: ownerPhone.userId, externalUserId: ownerLogin.externalUserId })
          const logged = (await backend.get('/events?limit=500')).body.events?.slice(-2)
          for (const event of logged ?? []) {
            t.match(event, { type: 'processed', incidentId: id, relayedBy: relayer })
            t.match(event, { externalUserId: ownerLogin.externalUserId, userId: ownerPhone.userId })
          }
          t.equal((await owner.post('/sos/cancel')).body.incident?.id, id)
          t.match(await ownerPhone.next(), { type: 'cancelled', incidentId: id })
        })
      }

      await helperPhone.report()
      const first = await helperPhone.next()
      t.equal((await helper.get('/sos')).body.incident?.id, first.incidentId, 'his first event is his own')
      t.equal((await helper.get('/sos/history')).body.incidents?.length, 1, 'and his history is his own')
    })

    await t.test('contract 5: relays join the incident that the owner reported', async (t) => {
      const ownerLogin = one.credentials('owner', 'app-b')
      const owner = sdkOf(two, ownerLogin)
      const ownerPhone = await connectPhone(t, one, ownerLogin)
      await register(owner, MAC)
      await ownerPhone.report({ message: 'my own words' })
      const { incidentId } = await ownerPhone.next()
      for (const name of ['helper-1', 'helper-2', 'helper-1']) {
        const reply = await sdkOf(two, one.credentials(name, 'app-b')).post(
          '/sos',
          sosReport({ deviceId: MAC }),
        )
        t.equal(reply.body.incident?.id, incidentId)
        t.notMatch(reply.text, 'my own words')
        t.match(await ownerPhone.next(), { type: 'processed', incidentId })
      }
      const seen = (await backendOf(one, 'app-b').get(`/incidents/${incidentId}`)).body.incident
      t.equal(seen?.openedBy, undefined, 'the owner opened it')
      t.same(
        seen?.relayedBy?.map(({ externalUserId }) => externalUserId),
        ['helper-1', 'helper-2'],
      )
      t.equal(seen?.reports, 4)
      t.equal(seen?.message, 'my own words', 'a relay without a message does not take it away')
    })
  })
}

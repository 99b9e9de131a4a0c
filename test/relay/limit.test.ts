import t from 'tap'
import { backendOf, connectPhone, register, sdkOf, sosReport, startNodes } from '../support/api.js'

for (const store of ['embedded store', 'redis store'] as const) {
  t.test(
    `contract 5: a relayer raises RELAYED_PEOPLE_PER_HOUR people, and then himself; ${store}`,
    async (t) => {
      const [broker] = await startNodes(t, store, { RELAYED_PEOPLE_PER_HOUR: '2' })
      const backend = backendOf(broker)
      const owners = ['owner-1', 'owner-2', 'owner-3']
      const macOf = (owner: string) => `CF:82:00:00:00:0${owner.slice(-1)}`
      for (const owner of owners)
        await register(sdkOf(broker, broker.credentials(owner, 'app-a')), macOf(owner))
      const raised = async () =>
        ((await backend.get('/incidents')).body.incidents ?? [])
          .map(({ user }) => user?.externalUserId)
          .toSorted()
      const helper = sdkOf(broker, broker.credentials('helper', 'app-a'))
      const phone = await connectPhone(t, broker, broker.credentials('helper', 'app-a'))

      await helper.post('/sos', sosReport({ deviceId: macOf('owner-1') }))
      for (let i = 0; i < 5; i++) await phone.report({ deviceId: macOf('owner-1') })
      t.same(await raised(), ['owner-1'], 'the same owner again is not counted')
      await phone.report({ deviceId: macOf('owner-2') })
      t.same(await raised(), ['owner-1', 'owner-2'])

      const report = sosReport({ deviceId: macOf('owner-3'), message: 'third' })
      await phone.report(report)
      t.same(await raised(), ['helper', 'owner-1', 'owner-2'], 'the third is raised for the sender')
      const event = await phone.next()
      t.match(event, { type: 'processed', userId: phone.userId, occurredAt: report.timestamp })
      const { body } = await helper.post('/sos', sosReport({ deviceId: macOf('owner-3') }))
      t.equal(body.incident?.id, event.incidentId)
      t.equal(body.incident?.message, 'third', 'the answer shows his own incident')
      t.notOk('deviceId' in (body.incident ?? {}))

      const relayed = await helper.post('/sos', sosReport({ deviceId: macOf('owner-1') }))
      t.equal(relayed.status, 200)
      t.not(relayed.body.incident?.id, event.incidentId, 'one that was counted may be relayed again')

      const other = sdkOf(broker, broker.credentials('other helper', 'app-a'))
      await other.post('/sos', sosReport({ deviceId: macOf('owner-3') }))
      t.same(await raised(), ['helper', 'owner-1', 'owner-2', 'owner-3'], 'the limit is each relayer’s own')
    },
  )
}

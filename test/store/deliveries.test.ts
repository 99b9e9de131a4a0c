import t from 'tap'
import { DELIVERIES_MAX } from '../../store/deliveries.js'
import { countIn, createStorePlace, reportNumber, STORE_KINDS, user } from '../support/stores.js'

for (const kind of STORE_KINDS) {
  t.test(`${kind}: the newest deliveries of an incident are kept, in their order`, async (t) => {
    const { deliveries } = await (await createStorePlace(t, kind)).open()
    const at = new Date().toISOString()
    const notes = Array.from({ length: DELIVERIES_MAX + 7 }, (_, n) => ({
      eventId: `e-${n}`,
      at,
      sessions: 1,
    }))
    await deliveries.add('demo-app', 'one', notes.slice(0, 5))
    await deliveries.add('demo-app', 'another', [{ eventId: 'e', at, webhookId: 'desk', attempts: 2 }])
    await deliveries.add('demo-app', 'one', notes.slice(5))
    t.strictSame(await deliveries.read('demo-app', 'one'), notes.slice(7))
    t.strictSame(await deliveries.read('demo-app', 'another'), [
      { eventId: 'e', at, webhookId: 'desk', attempts: 2 },
    ])
    t.strictSame(await deliveries.read('other-app', 'one'), [])
  })
}

t.test('embedded: deliveries are kept as long as the events that they tell of', async (t) => {
  const store = await (await createStorePlace(t, 'embedded')).open({ eventsPerApp: 2 })
  const note = async (incidentId: string) => {
    const event = (await store.events.readLatest('demo-app', 1)).at(-1)!
    await store.deliveries.add('demo-app', incidentId, [
      { eventId: event.eventId, at: event.at, sessions: 1 },
    ])
  }
  const kept = async (incidentId: string) => (await store.deliveries.read('demo-app', incidentId)).length
  // Of the same millisecond they would be of the same age.
  const countLater = async (n: number) => {
    const [last] = await store.events.readLatest('demo-app', 1)
    const lastAt = last ? Date.parse(last.at) : 0
    while (Date.now() <= lastAt) await new Promise((resolve) => setImmediate(resolve))
    await countIn(store, user('ann'), reportNumber(n))
  }
  for (const [n, incidentId] of ['first', 'second', 'third'].entries()) {
    await countLater(n)
    await note(incidentId)
  }
  t.strictSame(await Promise.all(['first', 'second', 'third'].map(kept)), [0, 1, 1])
  await store.deliveries.add('other-app', 'theirs', [{ eventId: 'e', at: '2020-01-01T00:00:00.000Z' }])
  t.equal((await store.deliveries.read('other-app', 'theirs')).length, 1, 'by the log of its own app')
})

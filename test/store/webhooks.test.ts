import { randomUUID } from 'node:crypto'
import t from 'tap'
import { DEAD_LETTERS_MAX } from '../../store/webhooks.js'
import { countIn, createStorePlace, reportNumber, STORE_KINDS, user } from '../support/stores.js'

for (const kind of STORE_KINDS) {
  t.test(`${kind}: of too many dead letters the oldest go, and are counted`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const { webhooks } = store
    const name = { appId: 'demo-app', webhookId: 'desk' }
    await countIn(store, user('alice'), reportNumber(1))
    const [event] = await store.events.readLatest('demo-app', 1)
    const at = new Date().toISOString()
    const letters = Array.from({ length: DEAD_LETTERS_MAX + 20 }, () => ({
      logId: '1',
      event: { ...event!, eventId: randomUUID() },
      at,
      attempts: 5,
      reason: 'status 500',
    }))
    const write = (from: number, to: number) =>
      webhooks.write(name, 'node', { position: '0', held: {}, gaps: [] }, letters.slice(from, to))
    const kept = async () => (await webhooks.readDead(name)).map(({ event: { eventId } }) => eventId)
    const idsFrom = (first: number, last = letters.length) =>
      letters.slice(first, last).map(({ event: { eventId } }) => eventId)

    t.equal(await webhooks.lease(name, 'node', 60_000), true)
    t.strictSame(await write(0, 1_000), { dropped: 0 })
    t.strictSame(await write(1_000, 1_003), { dropped: 3 })
    t.strictSame(await webhooks.countDead(name), { kept: DEAD_LETTERS_MAX, dropped: 3 })
    t.strictSame(await kept(), idsFrom(3, 1_003))

    // What was delivered after all makes room.
    for (const id of idsFrom(3, 8)) await webhooks.removeDead(name, id)
    t.strictSame(await write(1_003, 1_008), { dropped: 0 })
    t.strictSame(await write(1_008, 1_020), { dropped: 12 })
    t.strictSame(await webhooks.countDead(name), { kept: DEAD_LETTERS_MAX, dropped: 15 })
    t.strictSame(await kept(), idsFrom(20))
  })
}

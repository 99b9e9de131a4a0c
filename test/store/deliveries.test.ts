import t from 'tap'
import { DELIVERIES_MAX } from '../../store/deliveries.js'
import { createStorePlace, STORE_KINDS } from '../support/stores.js'

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

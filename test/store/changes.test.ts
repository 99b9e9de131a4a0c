import { randomUUID } from 'node:crypto'
import t from 'tap'
import { acknowledge } from '../../handlers/incident-rules.js'
import type { Incident } from '../../store/store.js'
import { closeAs, countIn, createStorePlace, reportNumber, STORE_KINDS, user } from '../support/stores.js'

const count = (length: number) => Array.from({ length }, (_, i) => i)

for (const kind of STORE_KINDS) {
  t.test(`${kind}: 200 reports at once are one incident with versions 1 to 200`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const alice = user('alice')
    const outcomes = await Promise.all(count(200).map((n) => countIn(store, alice, reportNumber(n))))
    t.equal(outcomes.filter(({ is }) => is === 'opened').length, 1)
    t.equal(outcomes.filter(({ is }) => is === 'updated').length, 199)
    const open = await store.incidents.readOpen(alice)
    t.match(open, { reports: 200, version: 200, status: 'active', externalUserId: 'alice' })
    const events = await store.events.readLatest('demo-app', 1_000)
    t.strictSame(
      events.map(({ version }) => version),
      count(200).map((n) => n + 1),
    )
    t.strictSame(new Set(events.map(({ incidentId }) => incidentId)), new Set([open?.incidentId]))
  })

  t.test(`${kind}: changes of one user happen in the order of the calls`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    await Promise.all(count(50).map((n) => countIn(store, user('alice'), reportNumber(n))))
    const events = await store.events.readLatest('demo-app', 100)
    t.strictSame(
      events.map(({ report }) => report?.timestamp),
      count(50).map((n) => reportNumber(n).timestamp),
    )
  })

  t.test(`${kind}: of 100 cancels and resolves at once one closes the incident`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const alice = user('alice')
    const { incident } = await countIn(store, alice, reportNumber(0))
    const outcomes = await Promise.all(
      count(100).map((n) => closeAs(store, alice, n % 2 === 0 ? 'cancelled' : 'resolved')),
    )
    t.equal(outcomes.filter(({ is }) => is === 'closed').length, 1)
    t.equal(await store.incidents.readOpen(alice), null)
    const events = await store.events.readLatest('demo-app', 1_000)
    t.strictSame(
      events.map(({ type, version }) => [type, version]),
      [
        ['processed', 1],
        ['cancelled', 2],
      ],
      'the first call wins and there is no second terminal event',
    )
    t.match(await store.incidents.read('demo-app', incident?.incidentId as string), {
      status: 'cancelled',
      version: 2,
      cancelledAt: String,
    })
  })

  t.test(`${kind}: a change gives what decide returned and shows decide what is stored`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const alice = user('alice')
    const { incident } = await countIn(store, alice, reportNumber(1, { message: 'slipped' }))
    const shown: (Incident | null)[] = []
    const result = await store.incidents.change(alice, ['k'], ({ openIncident, counted }) => {
      shown.push(openIncident)
      return { result: { counted, n: 7 } }
    })
    t.strictSame(result, { counted: new Set(), n: 7 })
    t.strictSame(shown, [incident])
  })

  t.test(`${kind}: a change that wants nothing written writes nothing`, async (t) => {
    const place = await createStorePlace(t, kind)
    const store = await place.open()
    const alice = user('alice')
    t.strictSame(await closeAs(store, alice, 'cancelled'), { is: 'none-open' })
    await store.incidents.change(alice, ['1'], () => ({ reportKeys: ['1'], result: null }))
    t.equal(await store.incidents.readOpen(alice), null)
    t.strictSame(await store.events.readLatest('demo-app', 10), [])
    const isCounted = await store.incidents.change(alice, ['1'], (state) => ({
      result: state.counted.has('1'),
    }))
    t.equal(isCounted, false, 'the report key was not kept either')
    if (place.redis) t.equal(await place.redis.client.dbsize(), 0)
  })

  t.test(`${kind}: an error in decide rejects that change only`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const alice = user('alice')
    const [failed, counted] = await Promise.allSettled([
      store.incidents.change(alice, [], () => {
        throw new Error('the rule is wrong')
      }),
      countIn(store, alice, reportNumber(2)),
    ])
    t.match(failed, { status: 'rejected', reason: { message: 'the rule is wrong' } })
    t.match(counted, { status: 'fulfilled', value: { is: 'opened' } })
    t.match(await store.incidents.readOpen(alice), { reports: 1, version: 1 })
  })

  t.test(
    `${kind}: an acknowledged incident stays open and is read under its own id once closed`,
    async (t) => {
      const store = await (await createStorePlace(t, kind)).open()
      const alice = user('alice')
      const { incident } = await countIn(store, alice, reportNumber(1))
      const incidentId = incident?.incidentId as string
      const stamp = { now: new Date(), incidentId: randomUUID(), eventId: randomUUID() }
      await store.incidents.change(alice, [], acknowledge(stamp, { by: 'operator' }))
      await countIn(store, alice, reportNumber(2))
      const open = await store.incidents.readOpen(alice)
      t.match(open, { incidentId, status: 'acknowledged', version: 3, reports: 2 })
      t.strictSame(await store.incidents.read('demo-app', incidentId), open)
      await closeAs(store, alice, 'resolved')
      t.equal(await store.incidents.readOpen(alice), null)
      t.match(await store.incidents.read('demo-app', incidentId), {
        status: 'resolved',
        version: 4,
        acknowledgedAt: stamp.now.toISOString(),
      })
      t.equal(await store.incidents.read('demo-app', randomUUID()), null)
      t.match(await countIn(store, alice, reportNumber(3)), { is: 'opened', incident: { version: 1 } })
    },
  )
}

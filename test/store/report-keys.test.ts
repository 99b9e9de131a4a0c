import t from 'tap'
import type { Store } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { closeAs, countIn, createStorePlace, reportNumber, STORE_KINDS, user } from '../support/stores.js'

for (const kind of STORE_KINDS) {
  t.test(`${kind}, contract 5: the same (user, timestamp) twice is one report`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const alice = user('alice')
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, () => countIn(store, alice, reportNumber(1))),
    )
    t.equal(outcomes.filter(({ is }) => is === 'opened').length, 1)
    t.equal(outcomes.filter(({ is }) => is === 'repeat').length, 49)
    t.match(await store.incidents.readOpen(alice), { reports: 1, version: 1 })
    t.equal((await store.events.readLatest('demo-app', 100)).length, 1)
    t.equal((await countIn(store, user('bob'), reportNumber(1))).is, 'opened', 'of another user it is none')
  })

  t.test(`${kind}, contract 5: a repeat after the incident was closed opens nothing`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const alice = user('alice')
    await countIn(store, alice, reportNumber(1))
    await closeAs(store, alice, 'resolved')
    t.match(await countIn(store, alice, reportNumber(1)), { is: 'repeat', incident: null })
    t.equal(await store.incidents.readOpen(alice), null)
    t.match(await countIn(store, alice, reportNumber(0)), { is: 'opened' }, 'an earlier time is no repeat')
  })

  t.test(`${kind}: reports without a usable time are never repeats`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const { timestamp } = reportNumber(1)
    await countIn(store, user('alice'), { timestamp })
    await countIn(store, user('alice'), { timestamp })
    t.match(await store.incidents.readOpen(user('alice')), { reports: 2 })
  })

  t.test(`${kind}: the newest report keys of a user are remembered and no more`, async (t) => {
    const place = await createStorePlace(t, kind)
    const store = await place.open({ reportKeysPerUser: 10 })
    const alice = user('alice')
    // One after the other, so that each has a time of its own to be ordered by.
    for (let n = 0; n < 25; n++) await countIn(store, alice, reportNumber(n))
    t.strictSame(await repeatsOf(store, alice, 25), [15, 16, 17, 18, 19, 20, 21, 22, 23, 24])
    await closeAs(store, alice, 'cancelled')
    t.strictSame(await repeatsOf(store, alice, 25), [15, 16, 17, 18, 19, 20, 21, 22, 23, 24])
    if (place.redis) {
      const key = (await place.redis.client.keys('*:reports:*'))[0] as string
      t.equal(await place.redis.client.zcard(key), 10)
      const seconds = await place.redis.client.ttl(key)
      t.ok(seconds > 0 && seconds <= 86_400, 'they go with their user after RETENTION_DAYS')
    }
  })

  t.test(`${kind}: report keys survive stop and reopen`, async (t) => {
    const place = await createStorePlace(t, kind)
    const before = await place.open()
    await countIn(before, user('alice'), reportNumber(1))
    await before.stop()
    const after = await place.open()
    t.match(await countIn(after, user('alice'), reportNumber(1)), { is: 'repeat', incident: { reports: 1 } })
    t.match(await countIn(after, user('alice'), reportNumber(2)), { is: 'updated' })
  })
}

/** Which of the first `count` reports the store takes for repeats; writes nothing. */
async function repeatsOf(store: Store, who: User, count: number): Promise<number[]> {
  const repeats: number[] = []
  for (let n = 0; n < count; n++) {
    const { reportKey } = reportNumber(n)
    if (
      await store.incidents.change(who, [reportKey as string], ({ counted }) => ({
        result: counted.size > 0,
      }))
    )
      repeats.push(n)
  }
  return repeats
}

import t from 'tap'
import {
  closeAs,
  countIn,
  createStorePlace,
  followEvents,
  reportNumber,
  STORE_KINDS,
  user,
} from '../support/stores.js'

for (const kind of STORE_KINDS) {
  t.test(`${kind}: every follower gets every event once, in the order of the log`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const follower = await followEvents(store, ['demo-app'])
    const users = ['alice', 'bob', 'carol'].map((name) => user(name))
    await Promise.all(
      users.flatMap((who) => Array.from({ length: 40 }, (_, n) => countIn(store, who, reportNumber(n)))),
    )
    await closeAs(store, users[0]!, 'resolved')
    const seen = await follower.until(({ type }) => type === 'resolved')
    const log = await store.events.readLatest('demo-app', 1_000)
    t.equal(log.length, 121)
    t.strictSame(seen, log)
    for (const { userId } of users) {
      const versions = log.filter((event) => event.userId === userId).map(({ version }) => version)
      t.strictSame(
        versions,
        versions.map((_, i) => i + 1),
      )
    }
  })

  t.test(`${kind}: a follower that starts later sees only what comes later`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    await countIn(store, user('alice'), reportNumber(1))
    await countIn(store, user('alice'), reportNumber(2))
    const follower = await followEvents(store, ['demo-app'])
    await countIn(store, user('alice'), reportNumber(3))
    const seen = await follower.until(() => true)
    t.strictSame(
      seen.map(({ version }) => version),
      [3],
    )
  })

  t.test(`${kind}: a processed event carries its report, a closing one the state`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const sent = reportNumber(1, { position: { latitude: 41.4, longitude: 2.2 }, fields: { nodeId: 7 } })
    const { incident } = await countIn(store, user('alice'), sent)
    await closeAs(store, user('alice'), 'cancelled')
    const { incidentId } = incident!
    const about = { ...user('alice'), incidentId, eventId: /^[0-9a-f-]{36}$/, at: String }
    const [processed, cancelled] = await store.events.readLatest('demo-app', 10)
    t.match(processed, { ...about, type: 'processed', status: 'active', version: 1, report: sent })
    t.match(cancelled, { ...about, type: 'cancelled', status: 'cancelled', version: 2 })
    t.not(processed?.eventId, cancelled?.eventId)
  })

  t.test(`${kind}: readLatest gives the newest events, oldest first`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    for (let n = 1; n <= 6; n++) await countIn(store, user('alice'), reportNumber(n))
    const events = await store.events.readLatest('demo-app', 3)
    t.strictSame(
      events.map(({ version }) => version),
      [4, 5, 6],
    )
    t.strictSame(await store.events.readLatest('another-app', 3), [])
  })

  t.test(`${kind}: the event log of an app keeps its newest events and no endless number`, async (t) => {
    const place = await createStorePlace(t, kind)
    const store = await place.open({ eventsPerApp: 1_000 })
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 250 }, (_, n) => countIn(store, user('alice'), reportNumber(round * 250 + n))),
      )
    }
    const versions = (await store.events.readLatest('demo-app', 10_000)).map(({ version }) => version)
    t.equal(versions.at(-1), 2_500)
    t.strictSame(
      versions,
      versions.map((_, i) => 2_500 - versions.length + 1 + i),
      'without a gap',
    )
    if (kind === 'embedded') t.equal(versions.length, 1_000)
    // XADD MAXLEN ~ trims whole nodes of the stream, of at most 100 entries each.
    else t.ok(versions.length >= 1_000 && versions.length < 1_100, `${versions.length} events`)
  })
}

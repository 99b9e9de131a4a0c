import t from 'tap'
import type { TelemetryRecord } from '../../store/store.js'
import type { User } from '../../store/user.js'
import {
  closeAs,
  countIn,
  createStorePlace,
  followEvents,
  reportNumber,
  STORE_KINDS,
  user,
} from '../support/stores.js'

/** App ids that would end a hash tag, divide a key, or look like another one. */
const APP_IDS = ['a', 'b', '}', '{', '{a}', 'a}:open', 'with space', 'a%7D', 'ünï☂', '😀', '*', '"']

for (const kind of STORE_KINDS) {
  t.test(`${kind}, contract 4: the same external id in two apps is two people`, async (t) => {
    const place = await createStorePlace(t, kind)
    const store = await place.open()
    const users = APP_IDS.map((appId) => user('42', appId))
    const follower = await followEvents(store, APP_IDS.slice(1))
    const incidentIds = new Map<string, string>()
    for (const [n, who] of users.entries()) {
      const { is, incident } = await countIn(store, who, reportNumber(1, { message: `from ${n}` }))
      t.equal(is, 'opened', `${who.appId}: the same report key in another app is no repeat`)
      incidentIds.set(who.appId, incident!.incidentId)
      await store.telemetry.append(recordOf(who, n))
    }
    await closeAs(store, users[0]!, 'resolved')
    for (const [n, who] of users.entries()) {
      const { appId } = who
      const open = await store.incidents.readOpen(who)
      if (n === 0) t.equal(open, null)
      else t.match(open, { appId, status: 'active', report: { message: `from ${n}` } })
      t.match(await store.telemetry.readLastPosition(who), { appId, position: { latitude: n } })
      t.strictSame(await store.telemetry.readLatest(appId, 10), [recordOf(who, n)])
      const events = await store.events.readLatest(appId, 10)
      t.strictSame(
        events.map((event) => [event.appId, event.type]),
        n === 0
          ? [
              [appId, 'processed'],
              [appId, 'resolved'],
            ]
          : [[appId, 'processed']],
      )
      for (const other of APP_IDS) {
        const read = await store.incidents.read(other, incidentIds.get(appId) as string)
        if (other === appId) t.equal(read?.appId, appId)
        else if (read !== null) t.fail(`${other} can read an incident of ${appId}`)
      }
    }
    const last = APP_IDS.at(-1)
    const seen = await follower.until(({ appId }) => appId === last)
    // The embedded log tells a follower of every app; who hears of it is decided per session.
    t.strictSame(
      seen.filter(({ appId }) => appId !== 'a').map(({ appId }) => appId),
      APP_IDS.slice(1),
    )
  })

  t.test(`${kind}: a user of one app leaves no trace in an app whose id begins the same`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    await countIn(store, user('42', 'app'), reportNumber(1))
    for (const appId of ['app2', 'ap', 'app:', 'APP', 'app ', 'app/']) {
      t.equal(await store.incidents.readOpen({ ...user('42', 'app'), appId }), null, appId)
      t.strictSame(await store.events.readLatest(appId, 10), [], appId)
    }
  })

  t.test(`${kind}: incidents and events survive stop and reopen`, async (t) => {
    const place = await createStorePlace(t, kind)
    const before = await place.open()
    const alice = user('partner/user 42 ☂')
    const report = reportNumber(1, { position: { latitude: 1, longitude: 2 }, fields: { 'a.b': ['é'] } })
    await countIn(before, alice, report)
    const closed = await countIn(before, user('bob'), report)
    await closeAs(before, user('bob'), 'cancelled')
    const wasOpen = await before.incidents.readOpen(alice)
    const log = await before.events.readLatest('demo-app', 10)
    await before.stop()

    const after = await place.open()
    t.match(wasOpen, { ...alice, reports: 1, report })
    t.strictSame(await after.incidents.readOpen(alice), wasOpen)
    t.equal(await after.incidents.readOpen(user('bob')), null)
    t.match(await after.incidents.read('demo-app', closed.incident!.incidentId), { status: 'cancelled' })
    t.strictSame(await after.events.readLatest('demo-app', 10), log)
    t.match(await countIn(after, alice, reportNumber(2)), {
      is: 'updated',
      incident: { incidentId: wasOpen!.incidentId, version: 2 },
    })
    t.equal((await after.events.readLatest('demo-app', 10)).length, log.length + 1, 'the log goes on')
  })
}

function recordOf(who: User, n: number): TelemetryRecord {
  const at = '2026-05-01T10:00:00.000Z'
  return { ...who, occurredAt: at, receivedAt: at, position: { latitude: n, longitude: 0 }, fields: { n } }
}

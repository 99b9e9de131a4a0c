import t from 'tap'
import type { TelemetryRecord } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { createStorePlace, STORE_KINDS, user } from '../support/stores.js'

for (const kind of STORE_KINDS) {
  t.test(`${kind}: telemetry is kept in the order of the calls`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const sent = Array.from({ length: 300 }, (_, n) => recordNumber(n, user(n % 2 === 0 ? 'alice' : 'bob')))
    await Promise.all(sent.map((record) => store.telemetry.append(record)))
    t.strictSame(await store.telemetry.readLatest('demo-app', 1_000), sent.toReversed())
    t.strictSame(await store.telemetry.readLatest('demo-app', 2), sent.toReversed().slice(0, 2))
    t.strictSame(await store.telemetry.readLatest('another-app', 2), [])
  })

  t.test(`${kind}: the last position is that of the newest record that has one`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    t.equal(await store.telemetry.readLastPosition(user('alice')), null)
    // All in one turn of the event loop, and more users than one.
    const sent = Array.from({ length: 60 }, (_, n) => recordNumber(n, user(`user-${n % 3}`)))
    await Promise.all(sent.map((record) => store.telemetry.append(record)))
    for (const n of [0, 1, 2])
      t.strictSame(await store.telemetry.readLastPosition(user(`user-${n}`)), sent[57 + n])
    await store.telemetry.append(recordNumber(99, user('user-1')))
    t.match(await store.telemetry.readLastPosition(user('user-1')), { position: { latitude: 0.99 } })
  })

  t.test(`${kind}, contract 6: a heartbeat is kept and is no position`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const { position: _none, ...heartbeat } = recordNumber(2, user('alice'), { kind: 'HEARTBEAT' })
    await store.telemetry.append(recordNumber(1, user('alice')))
    await store.telemetry.append(heartbeat)
    t.strictSame(await store.telemetry.readLastPosition(user('alice')), recordNumber(1, user('alice')))
    t.strictSame((await store.telemetry.readLatest('demo-app', 1))[0], heartbeat)
  })

  t.test(`${kind}: the telemetry of an app keeps its newest records and no endless number`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open({ telemetryPerApp: 1_000 })
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        Array.from({ length: 500 }, (_, n) =>
          store.telemetry.append(recordNumber(round * 500 + n, user('alice'))),
        ),
      )
    }
    const numbers = (await store.telemetry.readLatest('demo-app', 10_000)).map(({ fields }) => fields.n)
    t.strictSame(
      numbers,
      numbers.map((_, i) => 2_499 - i),
      'the newest, without a gap',
    )
    if (kind === 'embedded') t.equal(numbers.length, 1_000)
    // XADD MAXLEN ~ trims whole nodes of the stream, of at most 100 entries each.
    else t.ok(numbers.length >= 1_000 && numbers.length < 1_100, `${numbers.length} records`)
  })

  t.test(`${kind}: telemetry survives stop and reopen`, async (t) => {
    const place = await createStorePlace(t, kind)
    const before = await place.open()
    const sent = [0, 1, 2].map((n) => recordNumber(n, user('alice'), { text: 'água ☂' }))
    await Promise.all(sent.map((record) => before.telemetry.append(record)))
    await before.stop()
    const after = await place.open()
    const next = recordNumber(3, user('alice'))
    await after.telemetry.append(next)
    t.strictSame(await after.telemetry.readLatest('demo-app', 10), [next, ...sent.toReversed()])
    t.strictSame(await after.telemetry.readLastPosition(user('alice')), next)
  })
}

function recordNumber(n: number, who: User, fields: Record<string, unknown> = {}): TelemetryRecord {
  const at = new Date(Date.parse('2026-05-01T10:00:00Z') + n).toISOString()
  return {
    ...who,
    occurredAt: at,
    receivedAt: at,
    position: { latitude: n / 100, longitude: 2.2, altitude: 5 },
    fields: { n, ...fields },
  }
}

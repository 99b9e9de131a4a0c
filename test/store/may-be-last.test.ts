import t from 'tap'
import type { TelemetryRecord } from '../../store/store.js'
import { closeAs, countIn, createStorePlace, reportNumber, STORE_KINDS, user } from '../support/stores.js'

const alice = user('alice')

for (const kind of STORE_KINDS) {
  t.test(`${kind}: a position becomes the last one only where it may`, async (t) => {
    const { telemetry, incidents, ...store } = await (await createStorePlace(t, kind)).open()
    await countIn({ telemetry, incidents, ...store }, alice, reportNumber(1))
    const asked: (number | undefined)[] = []
    const ifNewer = (n: number) => (last: TelemetryRecord | null) => {
      asked.push(last?.position?.latitude)
      const before = last?.position?.latitude ?? 0
      return n > before ? ('last' as const) : n === before ? ('repeat' as const) : ('history' as const)
    }
    const add = (n: number) => telemetry.append(at(n), ifNewer(n))
    const lastOf = async () => (await telemetry.readLastPosition(alice))?.position?.latitude
    await add(5)
    t.equal(await lastOf(), 5)
    await add(3)
    await add(5)
    t.equal(await lastOf(), 5)
    await telemetry.append(at(7))
    await add(6)
    await telemetry.append({ ...at(9), isHistory: true })
    t.equal(await lastOf(), 7, 'a phone asks nobody, history replaces nothing')
    await add(8)
    t.equal(await lastOf(), 8)
    t.strictSame(asked, [undefined, 5, 5, 7, 7])

    const kept = (await telemetry.readLatest('demo-app', 20)).toReversed()
    t.strictSame(
      kept.map(({ position, isHistory = false }) => [position?.latitude, isHistory]),
      [
        [5, false],
        [3, true],
        [7, false],
        [6, true],
        [9, true],
        [8, false],
      ],
      'all are kept but the repeat',
    )
    const open = await incidents.readOpen(alice)
    const trail = await incidents.readTrail('demo-app', open?.incidentId ?? '')
    t.strictSame(
      trail.map(({ position }) => position.latitude),
      [5, 7, 8],
      'the way of an incident has what was the last position',
    )
    await closeAs({ telemetry, incidents, ...store }, alice, 'resolved')
  })
}

t.test('redis: of two that were asked at once one becomes the last position', async (t) => {
  const { telemetry } = await (await createStorePlace(t, 'redis')).open()
  await telemetry.append(at(1))
  await Promise.all([telemetry.append(at(2), () => 'last'), telemetry.append(at(3))])
  t.equal(
    (await telemetry.readLastPosition(alice))?.position?.latitude,
    3,
    'never what was older than the phone’s',
  )
  t.equal((await telemetry.readLatest('demo-app', 9)).length, 3)
})

function at(n: number): TelemetryRecord {
  const time = new Date(Date.parse('2026-05-01T10:00:00Z') + n * 1_000).toISOString()
  return { ...alice, occurredAt: time, receivedAt: time, position: { latitude: n, longitude: 0 }, fields: {} }
}

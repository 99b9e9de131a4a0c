import { join } from 'node:path'
import { open } from 'lmdb'
import t from 'tap'
import type { TelemetryRecord } from '../../store/store.js'
import { temporaryDirectory } from '../support/broker.js'
import { openEmbeddedAt, user } from '../support/stores.js'

t.test('telemetry that an earlier version kept beside the incidents is taken over, once', async (t) => {
  const directory = join(temporaryDirectory(t), 'store')
  const old = open({ path: directory, maxDbs: 16, encoding: 'json' })
  const [first, second] = [record(1), record(2)]
  const telemetry = old.openDB<TelemetryRecord, [string, number]>({ name: 'telemetry', encoding: 'json' })
  await telemetry.put(['demo-app', 7], first)
  await telemetry.put(['demo-app', 8], second)
  await old
    .openDB<TelemetryRecord, string[]>({ name: 'positions', encoding: 'json' })
    .put(['demo-app', first.userId], second)
  await old.close()

  for (const opening of ['first', 'second']) {
    const store = await openEmbeddedAt(t, directory)
    t.strictSame(await store.telemetry.readLatest('demo-app', 10), [second, first], `${opening} opening`)
    t.strictSame(await store.telemetry.readLastPosition(user('alice')), second)
    await store.stop()
  }
  const store = await openEmbeddedAt(t, directory)
  await store.telemetry.append(record(3))
  t.strictSame(await store.telemetry.readLatest('demo-app', 10), [record(3), second, first])
  await store.telemetry.forget(user('alice'))
  await store.stop()
  // Whoever is forgotten is forgotten: nothing comes back from where it lay before.
  t.strictSame(await (await openEmbeddedAt(t, directory)).telemetry.readLastPosition(user('alice')), null)
})

function record(n: number): TelemetryRecord {
  const { appId, userId, externalUserId } = user('alice')
  const occurredAt = new Date(Date.UTC(2026, 4, 1, 10, 0, n)).toISOString()
  const fields = { n }
  const position = { latitude: 41 + n / 100, longitude: 2.2 }
  return {
    appId,
    userId,
    externalUserId,
    occurredAt,
    receivedAt: occurredAt,
    fields,
    position,
  } as TelemetryRecord
}

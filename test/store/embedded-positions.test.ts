import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { mock } from 'node:test'
import { open } from 'lmdb'
import t from 'tap'
import type { Test } from 'tap'
import { createLastPositions } from '../../store/embedded/last-positions.js'
import { openTelemetryLog } from '../../store/embedded/telemetry-log.js'
import type { TelemetryRecord } from '../../store/store.js'
import { temporaryDirectory } from '../support/broker.js'
import { openEmbeddedAt, user } from '../support/stores.js'

const alice = user('alice')

t.test('a broker that is killed knows every last position again', async (t) => {
  const directory = temporaryDirectory(t)
  const { telemetry } = await openEmbeddedAt(t, join(directory, 'store'))
  await Promise.all(Array.from({ length: 200 }, (_, n) => telemetry.append(at(n, user(`user-${n % 50}`)))))
  await telemetry.append({ ...at(900), isHistory: true })
  await telemetry.append(at(300), () => 'last')
  await telemetry.append(at(200), () => 'history')

  const left = join(directory, 'left')
  cpSync(join(directory, 'store'), left, { recursive: true })
  const after = await openEmbeddedAt(t, left)
  t.strictSame(await after.telemetry.readLastPosition(alice), at(300))
  for (let n = 150; n < 200; n++) {
    const who = user(`user-${n % 50}`)
    t.strictSame(await after.telemetry.readLastPosition(who), at(n, who), `user-${n % 50}`)
  }
})

t.test('the log keeps what the table of last positions has not yet, beyond its limit', async (t) => {
  const directory = temporaryDirectory(t)
  const store = await openEmbeddedAt(t, join(directory, 'store'), { telemetryPerApp: 10 })
  const people = Array.from({ length: 500 }, (_, n) => user(`user-${n}`))
  for (const some of [people.slice(0, 200), people.slice(200)])
    await Promise.all(some.map((who, n) => store.telemetry.append(at(n, who))))
  t.equal(
    (await store.telemetry.readLatest('demo-app', 1_000)).length,
    10,
    'nobody reads more than the limit',
  )

  const left = join(directory, 'left')
  cpSync(join(directory, 'store'), left, { recursive: true })
  const after = await openEmbeddedAt(t, left, { telemetryPerApp: 10 })
  const last = await Promise.all(people.map((who) => after.telemetry.readLastPosition(who)))
  t.strictSame(
    last.map((record) => record?.userId),
    people.map(({ userId }) => userId),
  )
})

t.test('the log is trimmed to its newest blocks', async (t) => {
  const directory = temporaryDirectory(t)
  const store = await openEmbeddedAt(t, directory, { telemetryPerApp: 100 })
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 64 }, (_, n) => store.telemetry.append(at(round * 64 + n))))
    // What follows a save is trimmed; the table is saved because the log is full.
    await new Promise((resolve) => setImmediate(resolve))
  }
  await store.stop()
  const again = await openEmbeddedAt(t, directory, { telemetryPerApp: 1_000_000 })
  const kept = (await again.telemetry.readLatest('demo-app', 10_000)).length
  t.ok(kept >= 100 && kept < 1_000, `${kept} of 2,560 records are left`)
})

t.test('whoever is forgotten stays forgotten, and numbers are not given twice', async (t) => {
  const directory = temporaryDirectory(t)
  const before = await openEmbeddedAt(t, directory)
  await before.telemetry.append(at(1, user('bob')))
  await before.telemetry.append(at(2))
  await before.telemetry.forget(alice)
  t.equal(await before.telemetry.readLastPosition(alice), null)
  await before.stop()
  const between = await openEmbeddedAt(t, directory)
  t.equal(await between.telemetry.readLastPosition(alice), null)
  await between.telemetry.append(at(3, user('carol')))
  await between.stop()
  const { telemetry } = await openEmbeddedAt(t, directory)
  t.strictSame(
    (await telemetry.readLatest('demo-app', 9)).map(({ userId }) => userId),
    [user('carol').userId, user('bob').userId],
  )
  t.strictSame(await telemetry.readLastPosition(user('carol')), at(3, user('carol')))
})

t.test('a position that the disk did not take gives way to the last one that it took', async (t) => {
  const { log, positions } = openTables(t)
  const taken = log.append('demo-app', [JSON.stringify(at(1))])
  positions.set(at(1), taken)
  await taken
  const [second, third] = [promised(), promised()]
  positions.set(at(2), second.promise)
  positions.set(at(3), third.promise)
  t.strictSame(positions.read('demo-app', alice.userId)?.record, at(3))
  second.reject(new Error('disk full'))
  third.reject(new Error('disk full'))
  await Promise.allSettled([second.promise, third.promise])
  t.strictSame(positions.read('demo-app', alice.userId)?.record, at(1))
})

t.test(
  'a number that the disk did not take and that is given again is read again after a crash',
  async (t) => {
    const { log, marks, positions } = openTables(t)
    await marks.put('demo-app', 70) // of a log that ends with 1
    await log.append('demo-app', [JSON.stringify(at(1))])
    t.equal(positions.read('demo-app', alice.userId), null)
    await log.append('demo-app', [JSON.stringify(at(2))])
    t.equal(marks.get('demo-app'), 1)
  },
)

t.test('positions that come while the table is written slowly are written with the next time', async (t) => {
  const { log, marks } = openTables(t)
  await log.append('demo-app', [JSON.stringify(at(1))])
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const written: TelemetryRecord[] = []
  let finish = () => {}
  const slow = new Promise<boolean>((resolve) => (finish = () => resolve(true)))
  const table = {
    get: () => undefined,
    put(_key: string[], record: TelemetryRecord) {
      written.push(record)
      return written.length === 1 ? slow : Promise.resolve(true)
    },
  } as unknown as Parameters<typeof createLastPositions>[0]['table']
  const positions = createLastPositions({ table, marks, log })
  positions.set(at(1), Promise.resolve())
  mock.timers.tick(5_000)
  positions.set(at(2), Promise.resolve())
  mock.timers.tick(5_000) // while the first is still being written
  finish()
  while (positions.savedUpTo('demo-app') < 1) await new Promise((resolve) => setImmediate(resolve))
  positions.set(at(3), Promise.resolve())
  mock.timers.tick(5_000)
  t.strictSame(written, [at(1), at(3)])
})

function openTables(t: Test) {
  const root = open({ path: temporaryDirectory(t), encoding: 'json' })
  t.teardown(() => root.close())
  const marks = root.openDB<number, string>({ name: 'marks', encoding: 'json' })
  const table = root.openDB<TelemetryRecord, string[]>({ name: 'positions', encoding: 'json' })
  const log = openTelemetryLog(root, 1_000)
  return { log, marks, positions: createLastPositions({ table, marks, log }) }
}

function promised() {
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<void>((_resolve, no) => (reject = no))
  return { promise, reject }
}

function at(n: number, who = alice): TelemetryRecord {
  const { appId, userId, externalUserId } = who
  const time = new Date(Date.parse('2026-05-01T10:00:00Z') + n * 1_000).toISOString()
  const position = { latitude: n / 100, longitude: 2.2 }
  return { appId, userId, externalUserId, occurredAt: time, receivedAt: time, position, fields: {} }
}

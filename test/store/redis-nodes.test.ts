import t from 'tap'
import { keys } from '../../store/redis/keys.js'
import type { Store } from '../../store/store.js'
import {
  closeAs,
  countIn,
  createStorePlace,
  followEvents,
  openRedisAt,
  reportNumber,
  user,
} from '../support/stores.js'
import { startRedis } from '../support/redis.js'
import type { RedisServer } from '../support/redis.js'

t.test('two nodes with 100 reports each at once: one incident, versions 1 to 200', async (t) => {
  const place = await createStorePlace(t, 'redis')
  const nodes = [await place.open(), await place.open()]
  const alice = user('alice')
  const followers = await Promise.all(nodes.map((node) => followEvents(node, ['demo-app'])))
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, (_, n) => countIn(nodes[n % 2] as Store, alice, reportNumber(n))),
  )
  t.equal(outcomes.filter(({ is }) => is === 'opened').length, 1)
  t.match(await nodes[0]!.incidents.readOpen(alice), { reports: 200, version: 200 })
  const log = await nodes[0]!.events.readLatest('demo-app', 1_000)
  t.strictSame(
    log.map(({ version }) => version),
    Array.from({ length: 200 }, (_, i) => i + 1),
  )
  t.equal(new Set(log.map(({ report }) => report?.timestamp)).size, 200, 'every report once')
  for (const follower of followers) t.strictSame(await follower.until((e) => e.version === 200), log)
})

t.test('two nodes with the same report at once count it once', async (t) => {
  const place = await createStorePlace(t, 'redis')
  const nodes = [await place.open(), await place.open()]
  for (let n = 0; n < 30; n++) {
    const outcomes = await Promise.all(nodes.map((node) => countIn(node, user('alice'), reportNumber(n))))
    t.equal(outcomes.filter(({ is }) => is === 'repeat').length, 1)
  }
  t.match(await nodes[0]!.incidents.readOpen(user('alice')), { reports: 30, version: 30 })
})

t.test('two nodes with 100 cancels and resolves at once: one terminal state, one event', async (t) => {
  const place = await createStorePlace(t, 'redis')
  const nodes = [await place.open(), await place.open()]
  const { incident } = await countIn(nodes[0]!, user('alice'), reportNumber(0))
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      closeAs(nodes[n % 2] as Store, user('alice'), n % 4 < 2 ? 'cancelled' : 'resolved'),
    ),
  )
  const [winner, ...others] = outcomes.flatMap((outcome) => (outcome.is === 'closed' ? [outcome] : []))
  t.equal(others.length, 0)
  const log = await nodes[1]!.events.readLatest('demo-app', 10)
  t.equal(log.length, 2)
  t.equal(log[1]?.type, winner?.incident.status)
  t.strictSame(await nodes[1]!.incidents.read('demo-app', incident!.incidentId), winner?.incident)
})

t.test('a follower whose Redis connection was killed goes on where it stopped', async (t) => {
  const redis = await startRedis(t)
  const writer = await openRedisAt(t, redis.url)
  const store = await openRedisAt(t, redis.url)
  const follower = await followEvents(store, ['demo-app'])
  let n = 0
  const write = async (count: number) => {
    for (const end = n + count; n < end; n++) await untilStored(writer, n)
  }
  await write(20)
  for (let round = 0; round < 3; round++) {
    const killed = await redis.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    t.ok(Number(killed) >= 4, 'the connections of both stores were cut')
    await write(20)
  }
  const seen = await follower.until(({ report }) => report?.timestamp === reportNumber(n - 1).timestamp)
  const log = await writer.events.readLatest('demo-app', 1_000)
  t.equal(log.length, 80)
  t.strictSame(seen, log, 'nothing lost, nothing twice')
})

t.test(
  'a follower hears of nothing that was there before it, also when its connection was killed',
  async (t) => {
    const redis = await startRedis(t)
    const writer = await openRedisAt(t, redis.url)
    for (let n = 0; n < 5; n++) await countIn(writer, user('alice'), reportNumber(n))
    const follower = await followEvents(await openRedisAt(t, redis.url), ['demo-app'])
    await untilStored(writer, 5)
    await follower.until(({ version }) => version === 6)
    await redis.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await untilStored(writer, 6)
    const seen = await follower.until(({ version }) => version === 7)
    t.strictSame(
      seen.map(({ version }) => version),
      [6, 7],
    )
  },
)

t.test('however often the event log cannot be read, a follower hears of nothing old', async (t) => {
  const redis = await startRedis(t)
  const writer = await openRedisAt(t, redis.url)
  await countIn(writer, user('bob'), reportNumber(0))
  const [bobs] = await writer.events.readLatest('demo-app', 1)
  await redis.client.flushall()
  for (const [age, eventId] of [
    [15_000, 'old'],
    [0, 'new'],
  ] as const) {
    const entry = JSON.stringify({ ...bobs, eventId })
    await redis.client.xadd(keys.events('demo-app'), `${Date.now() - age}-0`, 'event', entry)
  }
  const follower = await followEvents(await openRedisAt(t, redis.url), ['demo-app'])
  await redis.client.acl('SETUSER', 'default', '-xread')
  await refusedReads(redis, 4)
  await redis.client.acl('SETUSER', 'default', '+xread')
  await untilStored(writer, 1)
  const seen = await follower.until(({ report }) => report?.timestamp === reportNumber(1).timestamp)
  t.strictSame(
    seen.map(({ externalUserId }) => externalUserId),
    ['alice'],
  )
})

t.test('a follower hears of events that were written while Redis was restarting', async (t) => {
  const redis = await startRedis(t)
  const store = await openRedisAt(t, redis.url)
  const follower = await followEvents(store, ['demo-app'])
  await countIn(store, user('alice'), reportNumber(0))
  await redis.stop()
  await t.rejects(countIn(store, user('alice'), reportNumber(1)), 'nothing queues while Redis is away')
  await t.rejects(store.incidents.readOpen(user('alice')), 'and what cannot be read is no null')
  await t.rejects(store.incidents.read('demo-app', 'x'))
  await t.rejects(store.telemetry.readLastPosition(user('alice')))
  await redis.start()
  for (let n = 2; n < 10; n++) await untilStored(store, n)
  const seen = await follower.until(({ report }) => report?.timestamp === reportNumber(9).timestamp)
  t.strictSame(seen, await store.events.readLatest('demo-app', 100))
  t.match(await store.incidents.readOpen(user('alice')), { reports: 9 })
})

/** Waits until Redis has refused so many XREAD. */
async function refusedReads(redis: RedisServer, count: number): Promise<void> {
  for (let refused = 0; refused < count;) {
    const [, calls] =
      /cmdstat_xread:.*rejected_calls=(\d+)/.exec(await redis.client.info('commandstats')) ?? []
    refused = Number(calls ?? 0)
  }
}

/** Tries until the store confirms; a try that failed may have been written, and then the next is a repeat. */
async function untilStored(store: Store, n: number): Promise<void> {
  for (;;) {
    try {
      await countIn(store, user('alice'), reportNumber(n))
      return
    } catch {
      await new Promise((resolve) => setImmediate(resolve)) // the connection comes back by an event
    }
  }
}

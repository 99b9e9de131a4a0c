import t from 'tap'
import { askAgain } from '../support/ask-again.js'
import { keys } from '../../store/redis/keys.js'
import type { LifecycleEvent } from '../../store/store.js'
import { countIn, followEvents, openRedisAt, reportNumber, user } from '../support/stores.js'
import { startRedis } from '../support/redis.js'

t.test('a follower that fails again and again does not go back further each time', async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'broker', 'on', '>pw', '~*', '&*', '+@all')
  // Older than what is read again after trouble, and never handed on by this store.
  const past = { ...user('alice'), eventId: 'of-the-past' }
  await redis.client.xadd(keys.events('demo-app'), `${Date.now() - 12_000}-0`, 'event', JSON.stringify(past))
  const store = await openRedisAt(t, `unix://broker:pw@localhost${redis.url}`)
  const follower = await followEvents(store, ['demo-app'])
  await countIn(store, user('alice'), reportNumber(1))
  await follower.until(({ report }) => report?.timestamp === reportNumber(1).timestamp)

  await redis.client.call('ACL', 'SETUSER', 'broker', '-xread')
  await countIn(store, user('alice'), reportNumber(2))
  const before = await callsOf('xrevrange')
  while ((await callsOf('xrevrange')) < before + 5) await askAgain() // one for each time that it goes back
  await redis.client.call('ACL', 'SETUSER', 'broker', '+xread')
  const seen = await follower.until(({ report }) => report?.timestamp === reportNumber(2).timestamp)
  t.strictSame(
    seen.map(({ report }) => report?.timestamp),
    [1, 2].map((n) => reportNumber(n).timestamp),
    'nothing of the past, nothing twice',
  )

  async function callsOf(command: string): Promise<number> {
    const stats = await redis.client.info('commandstats')
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  }
})

t.test('an app whose event log is something else holds up no other, from the start and later', async (t) => {
  const redis = await startRedis(t)
  const [broken, other] = ['a-broken', 'b-other']
  await redis.client.set(keys.events(broken), 'not ours')
  const store = await openRedisAt(t, redis.url)
  const follower = await followEvents(store, [broken, other])
  await countIn(store, user('bob', other), reportNumber(1))
  await follower.until(({ appId }) => appId === other)
  await redis.client.del(keys.events(broken))
  await countIn(store, user('alice', broken), reportNumber(1))
  await follower.until(({ appId }) => appId === broken)

  await redis.client.rename(keys.events(broken), 'aside{a-broken}')
  await redis.client.set(keys.events(broken), 'not ours')
  for (const n of [2, 3]) {
    await countIn(store, user('bob', other), reportNumber(n))
    await follower.until(({ report }) => report?.timestamp === reportNumber(n).timestamp)
  }
  await redis.client.rename('aside{a-broken}', keys.events(broken))
  await countIn(store, user('alice', broken), reportNumber(4))
  const seen = await follower.until(({ report }) => report?.timestamp === reportNumber(4).timestamp)
  t.strictSame(
    seen.map(({ externalUserId, version }) => [externalUserId, version]),
    [
      ['bob', 1],
      ['alice', 1],
      ['bob', 2],
      ['bob', 3],
      ['alice', 2],
    ],
    'each once',
  )
})

// What Redis does is played on one: it takes over without the newest entry, and its clock is half a minute behind.
t.test('a Redis that takes over with less of the log and an older clock hides no event', async (t) => {
  const redis = await startRedis(t)
  const stream = keys.events('demo-app')
  const ago = (seconds: number) => `${Date.now() - seconds * 1000}-0`
  const entry = (eventId: string) =>
    JSON.stringify({
      ...user('alice'),
      eventId,
      at: new Date().toISOString(),
    } satisfies Partial<LifecycleEvent>)
  const kept = [ago(60), 'event', entry('kept')] as const
  await redis.client.xadd(stream, ...kept)
  const follower = await followEvents(await openRedisAt(t, redis.url), ['demo-app'])
  await redis.client.xadd(stream, '*', 'event', entry('lost'))
  await follower.until(({ eventId }) => eventId === 'lost')
  await redis.client
    .multi()
    .del(stream)
    .xadd(stream, ...kept)
    .xadd(stream, ago(30), 'event', entry('of the new one'))
    .client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    .exec()
  const seen = await follower.until(({ eventId }) => eventId === 'of the new one')
  t.strictSame(
    seen.map(({ eventId }) => eventId),
    ['lost', 'of the new one'],
  )
})

t.test(
  'events are written above the ids that readers have reached, whatever the clock of Redis says',
  async (t) => {
    const redis = await startRedis(t)
    const stream = keys.events('demo-app')
    const store = await openRedisAt(t, redis.url)
    const follower = await followEvents(store, ['demo-app'])
    const entry = JSON.stringify({ ...user('bob'), eventId: 'of a fast clock', at: new Date().toISOString() })
    await redis.client.xadd(stream, '99999999999999-7', 'event', entry)
    await follower.until(({ eventId }) => eventId === 'of a fast clock')
    await countIn(store, user('alice'), reportNumber(1))
    await follower.until(({ version }) => version === 1)
    const reached = await store.events.readEnd('demo-app')
    t.equal(reached, '99999999999999-8', 'as Redis does by itself')

    await redis.client.del(stream) // a Redis that has none of it, and a right clock
    for (const n of [2, 3]) await countIn(store, user('alice'), reportNumber(n))
    const behind = await store.events.readAfter('demo-app', reached, 10)
    t.strictSame(
      behind.map(({ logId, event }) => [logId, event.version]),
      [
        ['99999999999999-9', 2],
        ['99999999999999-10', 3],
      ],
    )
    await follower.until(({ version }) => version === 3)
  },
)

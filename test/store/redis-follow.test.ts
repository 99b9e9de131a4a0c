import t from 'tap'
import { keys } from '../../store/redis/keys.js'
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
  while ((await callsOf('xrevrange')) < before + 5); // one for each time that it goes back
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

import t from 'tap'
import { closeAs, countIn, openRedisAt, reportNumber, user } from '../support/stores.js'
import { startRedis } from '../support/redis.js'

// Redis does not undo what a script wrote before a command of it failed, so what fails must fail first.
for (const command of ['xadd', 'hset', 'set', 'zadd', 'expire']) {
  t.test(`incident, event and report key are written together or not at all: no ${command}`, async (t) => {
    const redis = await startRedis(t)
    await redis.client.call('ACL', 'SETUSER', 'broker', 'on', '>pw', '~*', '&*', '+@all', `-${command}`)
    const store = await openRedisAt(t, `unix://broker:pw@localhost${redis.url}`)
    await t.rejects(countIn(store, user('alice'), reportNumber(1)), 'not confirmed')
    t.strictSame(await redis.client.keys('*'), [], 'and nothing written')

    await redis.client.call('ACL', 'SETUSER', 'broker', `+${command}`)
    t.match(await countIn(store, user('alice'), reportNumber(1)), { is: 'opened' }, 'sent again, it counts')
    t.equal((await store.events.readLatest('demo-app', 10)).length, 1)
  })
}

t.test('a cancel whose event cannot be written leaves the incident open', async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'broker', 'on', '>pw', '~*', '&*', '+@all')
  const store = await openRedisAt(t, `unix://broker:pw@localhost${redis.url}`)
  const { incident } = await countIn(store, user('alice'), reportNumber(1))
  await redis.client.call('ACL', 'SETUSER', 'broker', '-xadd')
  await t.rejects(closeAs(store, user('alice'), 'cancelled'))
  t.strictSame(await store.incidents.readOpen(user('alice')), incident)
  t.strictSame(await store.incidents.read('demo-app', incident!.incidentId), incident)
  await redis.client.call('ACL', 'SETUSER', 'broker', '+xadd')
  t.match(await closeAs(store, user('alice'), 'cancelled'), { is: 'closed' })
})

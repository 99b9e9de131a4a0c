import t from 'tap'
import { keys } from '../../store/redis/keys.js'
import type { TelemetryRecord } from '../../store/store.js'
import { countIn, openRedisAt, reportNumber, user } from '../support/stores.js'
import { startRedis } from '../support/redis.js'

// Somebody else wrote to a key of ours. Redis does not undo what a script wrote before it met that key.
for (const [name, key] of Object.entries({
  history: keys.userHistory('demo-app', user('alice').userId),
  'report keys': keys.reports('demo-app', user('alice').userId),
})) {
  t.test(`a user whose ${name} key is something else writes nothing at all, others do`, async (t) => {
    const redis = await startRedis(t)
    const store = await openRedisAt(t, redis.url)
    const { incident } = await countIn(store, user('alice'), reportNumber(1))
    await redis.client.set(key, 'not ours')
    for (let n = 2; n < 4; n++) await t.rejects(countIn(store, user('alice'), reportNumber(n)), /WRONGTYPE/)
    t.strictSame(await store.incidents.readOpen(user('alice')), incident)
    t.equal(
      (await store.events.readLatest('demo-app', 10)).length,
      1,
      'no event of a change that was not made',
    )
    t.match(await countIn(store, user('bob'), reportNumber(2)), { is: 'opened' })
    await redis.client.del(key)
    t.match(await countIn(store, user('alice'), reportNumber(3)), { incident: { version: 2 } })
  })
}

t.test(
  "an SOS and everybody's telemetry are kept while the trail of an incident is something else",
  async (t) => {
    const redis = await startRedis(t)
    const store = await openRedisAt(t, redis.url)
    const { incident } = await countIn(store, user('alice'), reportNumber(1))
    await redis.client.set(keys.trail('demo-app', incident!.incidentId), 'not ours')
    const place = { position: { latitude: 41.4, longitude: 2.2, altitude: 0 } }
    t.match(await countIn(store, user('alice'), reportNumber(2, place)), { incident: { version: 2 } })
    const names = ['alice', 'bob', 'carol']
    await Promise.all(names.map((name) => store.telemetry.append(telemetryOf(name))))
    const kept = await store.telemetry.readLatest('demo-app', 10)
    t.strictSame(
      kept.toReversed().map(({ externalUserId }) => externalUserId),
      names,
    )
  },
)

function telemetryOf(externalUserId: string): TelemetryRecord {
  const now = new Date().toISOString()
  const position = { latitude: 41.4, longitude: 2.2, altitude: 0 }
  return { ...user(externalUserId), receivedAt: now, occurredAt: now, position, fields: {} }
}

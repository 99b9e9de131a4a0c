import type { Test } from 'tap'
import { startBroker } from './broker.js'
import type { Broker } from './broker.js'
import { startRedis } from './redis.js'
import type { RedisServer } from './redis.js'

export interface Backing {
  store: 'embedded' | 'redis'
  broker: Broker
  /** Absent with the embedded store. */
  redis?: RedisServer
}

/** Runs the tests against a broker with the embedded store, then against one with Redis. */
export async function withBothStores(
  t: Test,
  test: (t: Test, backing: Backing) => Promise<void>,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  await t.test('with the embedded store', async (t) => {
    await test(t, { store: 'embedded', broker: await startBroker(t, { env }) })
  })
  await t.test('with the redis store', async (t) => {
    const redis = await startRedis(t)
    const broker = await startBroker(t, { env: { ...env, REDIS_URL: redis.url } })
    await test(t, { store: 'redis', broker, redis })
  })
}

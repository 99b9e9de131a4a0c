import { join } from 'node:path'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { RedisStore } from '../store/redis/redis-store.js'
import type { Store } from '../store/store.js'
import type { Config } from './config.js'
import { measureStore } from './measured-store.js'
import { named, SettingError } from './setting-error.js'

/**
 * Opens the store that the settings name, with its times in the metrics; `redis` is the same store where it is Redis.
 *
 * @throws SettingError when it cannot be used.
 */
export async function openStore(
  config: Config,
  log: Log,
  metrics: Metrics,
): Promise<{ store: Store; redis: RedisStore | undefined }> {
  const { redisUrl: url, retention } = config
  if (url === undefined) {
    // Each store is loaded only where it is used: it is a third of the start.
    const { openEmbeddedStore } = await import('../store/embedded/embedded-store.js')
    const directory = join(config.dataDir, 'store')
    const embedded = named('DATA_DIR', () => openEmbeddedStore({ directory, retention }))
    const store = measureStore(embedded, metrics)
    log.info({ store: 'embedded' }, (await store.durability()).explanation)
    return { store, redis: undefined }
  }
  const { openRedisStore, RedisRefused } = await import('../store/redis/redis-store.js')
  try {
    const store = measureStore(await openRedisStore({ url, retention, log }), metrics)
    const durability = await store.durability()
    log[durability.isDurable ? 'info' : 'warn']({ store: 'redis' }, durability.explanation)
    return { store, redis: store }
  } catch (error) {
    if (!(error instanceof RedisRefused)) throw error
    throw new SettingError('REDIS_URL', `Redis refuses it (${error.message})`, error)
  }
}

import type { Log } from '../../ops/log.js'
import type { Durability, Retention, Store } from '../store.js'
import type { Commands } from './connection.js'
import { openConnection } from './connection.js'
import { createRedisEvents } from './events.js'
import { createRedisIncidents } from './incidents.js'
import { createRedisTelemetry } from './telemetry.js'
import { createRedisUsers } from './users.js'

export interface RedisStore extends Store {
  /** For QoS 2 handshakes, which aedes-persistence-redis keeps. */
  connection: Commands
}

/**
 * Three connections: an SOS never waits behind telemetry, and reading the event log blocks.
 *
 * @throws when Redis cannot be reached.
 */
export async function openRedisStore(options: {
  url: string
  retention: Retention
  log: Log
}): Promise<RedisStore> {
  const { url, retention, log } = options
  const sos = await openConnection(url, 'sos', log)
  const others = await Promise.allSettled([
    openConnection(url, 'telemetry', log),
    openConnection(url, 'events', log),
  ])
  const [telemetry, reader] = others.flatMap((opened) =>
    opened.status === 'fulfilled' ? [opened.value] : [],
  )
  if (!telemetry || !reader) {
    for (const connection of [sos, telemetry]) connection?.disconnect()
    throw (others.find((opened) => opened.status === 'rejected') as PromiseRejectedResult).reason
  }
  const events = createRedisEvents(reader, sos, log)
  return {
    incidents: createRedisIncidents(sos, retention),
    users: createRedisUsers(sos),
    telemetry: createRedisTelemetry(telemetry, retention),
    events: events.events,
    connection: telemetry,
    durability: () => readDurability(sos),
    async ping() {
      await sos.ping()
    },
    async stop() {
      await events.stop()
      await Promise.allSettled([sos.quit(), telemetry.quit()])
    },
  }
}

/** Redis keeps what it acknowledged only as well as it is configured to; an operator should read that here first. */
async function readDurability(redis: Commands): Promise<Durability> {
  const read = async (name: string) => {
    const [, value] = (await redis.config('GET', name)) as string[]
    return value
  }
  try {
    const [appendonly, appendfsync, policy] = await Promise.all(
      ['appendonly', 'appendfsync', 'maxmemory-policy'].map(read),
    )
    const evicts = policy !== undefined && policy !== 'noeviction'
    const warning = evicts ? ` maxmemory-policy ${policy} may throw open incidents away: set noeviction.` : ''
    if (appendonly !== 'yes') {
      return {
        isDurable: false,
        explanation: `An acknowledged SOS is lost if Redis stops before its next snapshot: set appendonly yes.${warning}`,
      }
    }
    if (appendfsync === 'always') {
      return { isDurable: !evicts, explanation: `An acknowledged SOS is on the disk of Redis.${warning}` }
    }
    return {
      isDurable: false,
      explanation: `An acknowledged SOS may be lost if the machine of Redis fails within ${appendfsync === 'everysec' ? 'a second' : 'some time (appendfsync no)'}: set appendfsync always.${warning}`,
    }
  } catch (error) {
    return {
      isDurable: false,
      explanation: `Redis does not say how durable it is (${(error as Error).message}).`,
    }
  }
}

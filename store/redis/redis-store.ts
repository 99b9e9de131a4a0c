import type { Log } from '../../ops/log.js'
import type { Durability, LateTelemetry, Retention, Store } from '../store.js'
import { within } from '../within.js'
import { addressOf } from './address.js'
import type { Commands } from './connection.js'
import { explained, openConnection } from './connection.js'
import { createRedisDeliveries } from './deliveries.js'
import { createRedisEvents } from './events.js'
import { createRedisGateways } from './gateways.js'
import { createRedisIncidents } from './incidents.js'
import { keys } from './keys.js'
import { createLogIds } from './log-ids.js'
import { createRedisLateTelemetry } from './late-telemetry.js'
import { createRedisMesh } from './mesh.js'
import { createRedisRevocations } from './revocations.js'
import { createRedisTelemetry } from './telemetry.js'
import { createRedisUsers } from './users.js'
import { createRedisWebhooks } from './webhooks.js'

export { RedisRefused } from './connection.js'

export interface RedisStore extends Store {
  /** For what a journal brings. */
  late: LateTelemetry
  /** Whether a failure tells something about Redis as a whole. */
  isOutage(error: unknown): boolean
  /** Those of these apps whose event log cannot be read although Redis is there. */
  unreadableLogs(appIds: string[]): { appId: string; reason: string }[]
  /** For QoS 2 handshakes, which aedes-persistence-redis keeps. */
  connection: Commands
  /** Each connection to Redis and whether commands go through it now. */
  connections(): { name: string; isUp: boolean }[]
}

/**
 * Three connections: an SOS never waits behind telemetry, and reading the event log blocks. A Redis that cannot be
 * reached is waited for in the background.
 *
 * @throws RedisRefused when the password or the database is refused.
 */
export async function openRedisStore(options: {
  url: string
  retention: Retention
  log: Log
}): Promise<RedisStore> {
  const { url, retention, log } = options
  const address = addressOf(url)
  const opened = await Promise.allSettled(CONNECTIONS.map((name) => openConnection(address, name, log)))
  const connections = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const refused = opened.find((one) => one.status === 'rejected')
  if (refused) {
    for (const connection of connections) connection.disconnect()
    throw refused.reason
  }
  const [sos, telemetry, reader] = connections as [Commands, Commands, Commands]
  const ids = createLogIds()
  const events = createRedisEvents({ reader, redis: sos, isCluster: address.is === 'cluster', ids, log })
  return {
    incidents: createRedisIncidents(sos, retention, ids),
    users: createRedisUsers(sos),
    revocations: createRedisRevocations(sos),
    gateways: createRedisGateways(sos),
    mesh: createRedisMesh(sos),
    webhooks: createRedisWebhooks(sos),
    deliveries: createRedisDeliveries(telemetry, retention),
    telemetry: createRedisTelemetry(telemetry, retention),
    late: createRedisLateTelemetry(telemetry, retention),
    events: events.events,
    connection: telemetry,
    connections: () =>
      CONNECTIONS.map((name, i) => ({ name, isUp: (connections[i] as Commands).status === 'ready' })),
    unreadableLogs: events.unreadable,
    isOutage,
    durability: () => readDurability(sos),
    async ping() {
      await explained(sos, sos.ping())
    },
    async probe(appId) {
      await explained(sos, sos.set(keys.probe(appId), '', 'EX', PROBE_SECONDS))
    },
    async stop() {
      // Side by side: a reader in trouble waits for what the other connections do not answer.
      const quitting = [sos, telemetry].map((connection) =>
        within(QUIT_LIMIT_MS, connection.quit()).catch(() => connection.disconnect()),
      )
      await Promise.all([events.stop(), ...quitting])
    },
  }
}

/** Not when a record, perhaps of one user, holds what we did not write: then everybody else goes on. */
function isOutage(error: unknown): boolean {
  return !(error instanceof SyntaxError) && !(error as Error).message.startsWith('WRONGTYPE')
}

const CONNECTIONS = ['sos', 'telemetry', 'events'] as const
const PROBE_SECONDS = 60
/** Nothing is under way any more; a Redis that does not answer must not hold up a stop. */
const QUIT_LIMIT_MS = 1_000

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

import createMemoryPersistence from 'aedes-persistence'
import { keys } from '../store/redis/keys.js'
import type { Commands } from '../store/redis/connection.js'

/** What Aedes hands to its persistence; only what is used here. */
interface Client {
  id: string
}

/**
 * What Aedes keeps for itself. Sessions are clean, retained messages, wills and offline queues are refused,
 * so all that is ever there to keep are QoS 2 publications without their PUBREL: those go to Redis when
 * there is one. The rest stays in memory and empty, because asking Redis for it would cost every CONNECT
 * five round trips and make logins fail while Redis is away.
 */
export async function createEnginePersistence(redis: Commands | undefined) {
  const persistence = createMemoryPersistence()
  if (!redis) return persistence
  const { default: createRedisPersistence } = await import('aedes-persistence-redis')
  const inRedis = createRedisPersistence({ conn: redis })
  const hasStored = new WeakSet<Client>()
  return Object.assign(persistence, {
    async incomingStorePacket(client: Client, packet: unknown) {
      hasStored.add(client)
      await inRedis.incomingStorePacket(client, packet)
      await redis.expire(keys.incoming(client.id), INCOMING_SECONDS)
    },
    incomingGetPacket: (client: Client, packet: unknown) => inRedis.incomingGetPacket(client, packet),
    incomingDelPacket: (client: Client, packet: unknown) => inRedis.incomingDelPacket(client, packet),
    async cleanIncoming(client: Client) {
      if (hasStored.has(client)) await inRedis.cleanIncoming(client)
    },
  })
}

// Session ids are never used again, so what a crash leaves behind is garbage.
const INCOMING_SECONDS = 3_600

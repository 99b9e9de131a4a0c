import createMemoryPersistence from 'aedes-persistence'
import { keys } from '../store/redis/keys.js'
import type { Commands } from '../store/redis/connection.js'

/** What Aedes hands to its persistence; only what is used here. */
interface Client {
  id: string
}
interface Packet {
  messageId: number
}

/**
 * What Aedes keeps for itself. Sessions are clean, retained messages, wills and offline queues are refused,
 * so all that is ever there to keep are QoS 2 publications without their PUBREL: those go to Redis when
 * there is one. The rest stays in memory and empty, because asking Redis for it would cost every CONNECT
 * five round trips and make logins fail while Redis is away. A handshake that Redis does not take stays in memory
 * as well: it ends with its connection anyway, and what it carried has been handled.
 */
export async function createEnginePersistence(redis: Commands | undefined) {
  const memory = createMemoryPersistence()
  if (!redis) return memory
  const { default: createRedisPersistence } = await import('aedes-persistence-redis')
  const inRedis = createRedisPersistence({ conn: redis })
  const inMemory = {
    store: memory.incomingStorePacket.bind(memory),
    get: memory.incomingGetPacket.bind(memory),
    remove: memory.incomingDelPacket.bind(memory),
    clean: memory.cleanIncoming.bind(memory),
  }
  const storedOf = new WeakMap<Client, Set<number>>()
  const isInRedis = (client: Client, { messageId }: Packet) => storedOf.get(client)?.has(messageId) === true

  return Object.assign(memory, {
    async incomingStorePacket(client: Client, packet: Packet) {
      try {
        await inRedis.incomingStorePacket(client, packet)
        await redis.expire(keys.incoming(client.id), INCOMING_SECONDS)
        storedOf.set(client, (storedOf.get(client) ?? new Set()).add(packet.messageId))
      } catch {
        await inMemory.store(client, packet)
      }
    },
    incomingGetPacket: (client: Client, packet: Packet) =>
      isInRedis(client, packet) ? inRedis.incomingGetPacket(client, packet) : inMemory.get(client, packet),
    async incomingDelPacket(client: Client, packet: Packet) {
      if (!isInRedis(client, packet)) return inMemory.remove(client, packet)
      await inRedis.incomingDelPacket(client, packet)
      storedOf.get(client)?.delete(packet.messageId)
    },
    async cleanIncoming(client: Client) {
      await inMemory.clean(client)
      if (storedOf.has(client)) await inRedis.cleanIncoming(client)
    },
  })
}

// Session ids are never used again, so what a crash leaves behind is garbage.
const INCOMING_SECONDS = 3_600

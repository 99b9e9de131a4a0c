/** The persistence packages ship no types; these are the calls that broker/engine-persistence.ts makes. */
interface EnginePersistence {
  incomingStorePacket(client: { id: string }, packet: unknown): Promise<void>
  incomingGetPacket(client: { id: string }, packet: unknown): Promise<unknown>
  incomingDelPacket(client: { id: string }, packet: unknown): Promise<void>
  cleanIncoming(client: { id: string }): Promise<void>
}

declare module 'aedes-persistence' {
  export default function createPersistence(): EnginePersistence
}

declare module 'aedes-persistence-redis' {
  export default function createPersistence(options: { conn: unknown }): EnginePersistence
}

declare module 'websocket-stream/stream.js' {
  import type { Duplex } from 'node:stream'
  import type { WebSocket } from 'ws'
  export default function createWebSocketStream(socket: WebSocket): Duplex
}

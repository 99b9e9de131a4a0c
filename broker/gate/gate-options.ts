import type { Duplex } from 'node:stream'
import type { Admission } from './admission.js'
import type { Gate } from './gate.js'
import type { PublishPacket } from './packets.js'
import type { ReadingTurns } from './reading-turns.js'
import type { ProtocolViolation } from './reason.js'
import type { UnderWay } from './taking.js'

export type Transport = 'tcp' | 'tls' | 'ws' | 'wss'

/** Where a connection comes from. */
export interface Origin {
  transport: Transport
  /** Textual IP address. */
  address: string
  port: number
}

export interface GateLimits {
  /** Largest CONNECT, in bytes. */
  connectBytesMax: number
  /** Time from accept to a whole CONNECT. */
  connectTimeoutMs: number
  /** Largest packet after CONNECT, in bytes. */
  packetBytesMax: number
  /** Telemetry a connection may send: average per second, and at once. */
  telemetryRate: number
  telemetryBurst: number
}

export interface GateOptions {
  /** Socket or WebSocket stream. The gate owns it from here on. */
  wire: Duplex
  origin: Origin
  /** Identifier of this connection inside the process; no other connection has it. */
  sessionId: string
  limits: GateLimits
  /** Whether a publication may be read more slowly than it comes. */
  isPaced: (topicName: string) => boolean
  /** The room that such publications of all connections share. */
  admission: Admission
  /** Whose bytes are read when. */
  turns: ReadingTurns
  /** What all connections have at the handlers besides. */
  underWay: UnderWay
  /** A CONNECT passed every check; the engine is to take the gate over. */
  onConnect: (gate: Gate) => void
  /**
   * A checked publication of QoS 0 or 1 goes to the handlers; the handshake of QoS 2 is the engine's. Resolves when it may
   * be acknowledged; rejects when it must not be, and the connection ends.
   */
  onPublish: (gate: Gate, packet: PublishPacket) => Promise<void>
  onViolation: (gate: Gate, violation: ProtocolViolation) => void
  /** Nothing came for one and a half times Keep Alive. */
  onSilence: () => void
  /** Telemetry that waited when its connection ended, unacknowledged, while too much of others' did as well. */
  onDropped: (gate: Gate, count: number) => void
  /** PUBACK, or PUBREC of QoS 2, goes to the wire: how long after its PUBLISH was read, in milliseconds. */
  onAcknowledged: (isPaced: boolean, afterMs: number) => void
}

/** How a client is served that is no phone. */
export interface Treatment {
  isPaced: (topicName: string) => boolean
  /** What does not wait all the same; asked only about what would have to. */
  isUrgent: (packet: PublishPacket) => boolean
  /** Paced publications a second on average, and at once. */
  rate: number
  burst: number
  hasWildcards: boolean
}

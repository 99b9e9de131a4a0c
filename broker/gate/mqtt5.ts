import { encodeField, encodeIdentifierPacket, encodePacket, encodeUint16, encodeVarint } from './bytes.js'
import type { AckPacket, PacketForEngine, ConnectPacket, PublishPacket, SubscribePacket } from './packets.js'
import { TYPE } from './packets.js'
import { REASON, RETURN_CODE } from './reason.js'

/**
 * MQTT 5.0 ends here: towards the engine every packet is 3.1.1, towards the client it gets back the
 * reason codes and properties that 3.1.1 has no place for.
 */

// ---- client → engine ----

/**
 * The CONNECT the engine sees: 3.1.1, clean, no will, and an identifier that no other connection has. No Keep Alive
 * either: the engine does not see every packet, so the gate keeps it.
 */
export function encodeConnectForEngine(connect: ConnectPacket, sessionId: string): Buffer {
  const { username, password } = connect
  const flags =
    0x02 | (username === undefined ? 0 : 0x80) | (password === undefined || username === undefined ? 0 : 0x40)
  return encodePacket(
    TYPE.connect << 4,
    encodeField('MQTT'),
    Buffer.from([4, flags]),
    encodeUint16(0),
    encodeField(sessionId),
    username === undefined ? EMPTY : encodeField(username),
    password === undefined || username === undefined ? EMPTY : encodeField(password),
  )
}

/** Any other packet of a 5.0 client without its properties and reason codes. */
export function encodeForEngine(packet: PacketForEngine): Buffer {
  switch (packet.is) {
    case 'publish':
      return encodePublish(packet)
    case 'subscribe':
      return encodeSubscribe(packet)
    case 'unsubscribe':
      return encodePacket(
        (TYPE.unsubscribe << 4) | 2,
        encodeUint16(packet.packetId),
        ...packet.topicFilters.map((topicFilter) => encodeField(topicFilter)),
      )
    case 'disconnect':
      return encodePacket(TYPE.disconnect << 4)
    default:
      return encodeAck(packet.is, packet.packetId)
  }
}

export function encodePublish({
  topicName,
  qos,
  isDup,
  isRetained,
  packetId,
  payload,
}: PublishPacket): Buffer {
  const first = (TYPE.publish << 4) | (isDup ? 8 : 0) | (qos << 1) | (isRetained ? 1 : 0)
  return encodePacket(first, encodeField(topicName), qos > 0 ? encodeUint16(packetId) : EMPTY, payload)
}

export function encodeSubscribe({ packetId, filters }: SubscribePacket): Buffer {
  const parts = filters.flatMap(({ topicFilter, qos }) => [encodeField(topicFilter), Buffer.from([qos])])
  return encodePacket((TYPE.subscribe << 4) | 2, encodeUint16(packetId), ...parts)
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP of 3.1.1. */
export function encodeAck(is: AckPacket['is'], packetId: number): Buffer {
  return encodeIdentifierPacket((TYPE[is] << 4) | (is === 'pubrel' ? 2 : 0), packetId)
}

// ---- engine → client ----

/** What a 5.0 client is told beyond success: section 2.4, and a sentence for whoever debugs it. */
export interface Reason {
  code: number
  text?: string
}

export interface ConnackLimits {
  packetBytesMax: number
  /** Set when the client left its identifier to us, [MQTT-3.2.2-16]. */
  assignedClientId: string | undefined
  /** The client asked for a session that outlives its connection; the answer is 0. */
  answersSessionExpiry: boolean
  /** Whether topic filters with wildcards may be granted. */
  hasWildcards?: boolean
}

/**
 * CONNACK, section 3.2. Retained messages, Subscription Identifiers, shared subscriptions and, but for gateways, wildcards
 * are not available; Maximum QoS and Topic Alias Maximum stay at their defaults, 2 and 0.
 */
export function encodeConnack5(reason: Reason, limits: ConnackLimits): Buffer {
  if (reason.code !== REASON.success) {
    return encodePacket(TYPE.connack << 4, Buffer.from([0, reason.code]), reasonProperties(reason.text))
  }
  const properties = [
    Buffer.from([0x21]),
    encodeUint16(RECEIVE_MAXIMUM),
    Buffer.from([0x27]),
    uint32(limits.packetBytesMax),
    Buffer.from([0x25, 0, 0x28, limits.hasWildcards ? 1 : 0, 0x29, 0, 0x2a, 0]),
  ]
  if (limits.answersSessionExpiry) properties.push(Buffer.from([0x11]), uint32(0))
  if (limits.assignedClientId !== undefined) {
    properties.push(Buffer.from([0x12]), encodeField(limits.assignedClientId))
  }
  return encodePacket(TYPE.connack << 4, Buffer.from([0, 0]), withLength(...properties))
}

/** The code for a CONNACK that the engine answered without one of ours: table 3-1 of 5.0. */
export function connackReason(returnCode: number): Reason {
  switch (returnCode) {
    case RETURN_CODE.accepted:
      return { code: REASON.success }
    case RETURN_CODE.identifierRejected:
      return { code: REASON.clientIdentifierNotValid }
    case RETURN_CODE.serverUnavailable:
      return { code: REASON.serverUnavailable }
    default:
      return { code: REASON.notAuthorized }
  }
}

/** PUBACK, PUBREC or PUBCOMP; the short form when there is nothing to say, section 3.4.2.1. */
export function encodeAck5(is: AckPacket['is'], packetId: number, reason: Reason | undefined): Buffer {
  const first = (TYPE[is] << 4) | (is === 'pubrel' ? 2 : 0)
  if (!reason || reason.code === REASON.success) return encodeIdentifierPacket(first, packetId)
  const code = Buffer.from([reason.code])
  if (reason.text === undefined) return encodePacket(first, encodeUint16(packetId), code)
  return encodePacket(first, encodeUint16(packetId), code, reasonProperties(reason.text))
}

/** An event on its way to the client; the engine only ever sends events. */
export function encodePublish5(first: number, body: Buffer): Buffer {
  const topicEnd = 2 + body.readUInt16BE(0)
  const propertiesAt = topicEnd + (first & 0x06 ? 2 : 0)
  return encodePacket(first, body.subarray(0, propertiesAt), NO_PROPERTIES, body.subarray(propertiesAt))
}

/** SUBACK or UNSUBACK with one reason code per filter, [MQTT-3.9.3-1]. */
export function encodeFilterAck5(type: number, packetId: number, codes: number[]): Buffer {
  return encodePacket(type << 4, encodeUint16(packetId), NO_PROPERTIES, Buffer.from(codes))
}

/** SUBACK of 3.1.1. */
export function encodeSuback(packetId: number, codes: number[]): Buffer {
  return encodePacket(TYPE.suback << 4, encodeUint16(packetId), Buffer.from(codes))
}

/** CONNACK of 3.1 and 3.1.1. */
export function encodeConnack(returnCode: number): Buffer {
  return encodePacket(TYPE.connack << 4, Buffer.from([0, returnCode]))
}

/** DISCONNECT from the server, section 3.14. */
export function encodeDisconnect5({ code, text }: Reason): Buffer {
  if (text === undefined) return encodePacket(TYPE.disconnect << 4, Buffer.from([code]))
  return encodePacket(TYPE.disconnect << 4, Buffer.from([code]), reasonProperties(text))
}

/** Publications of QoS 1 and 2 a client may have unanswered: as many QoS 2 handshakes as the engine keeps. */
export const RECEIVE_MAXIMUM = 1_000

const EMPTY = Buffer.alloc(0)
const NO_PROPERTIES = Buffer.from([0])

function reasonProperties(text: string | undefined): Buffer {
  return text === undefined ? NO_PROPERTIES : withLength(Buffer.from([0x1f]), encodeField(text))
}

function withLength(...parts: Buffer[]): Buffer {
  const properties = Buffer.concat(parts)
  return Buffer.concat([encodeVarint(properties.length), properties])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

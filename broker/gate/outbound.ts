import { DeliveryWindow } from './delivery-window.js'
import { PartialPacket, readFrame } from './framing.js'
import type { Frame } from './framing.js'
import {
  connackReason,
  encodeAck5,
  encodeConnack,
  encodeConnack5,
  encodeFilterAck5,
  encodePublish5,
  encodeSuback,
} from './mqtt5.js'
import type { Reason } from './mqtt5.js'
import { TYPE } from './packets.js'
import type { ConnectPacket, QoS, Version } from './packets.js'
import { REASON } from './reason.js'
import type { ProtocolViolation } from './reason.js'

export interface OutboundOptions {
  connect: ConnectPacket
  /** Told to a client that left its identifier to us. */
  sessionId: string
  packetBytesMax: number
  /** Ends a QoS 2 handshake towards the engine that has ended towards the client. */
  releaseInEngine: (packetId: number) => void
  /** A publication is acknowledged, so many milliseconds after it was read; see GateOptions. */
  onAcknowledged: (isPaced: boolean, afterMs: number) => void
}

/** The engine's packets on their way to one client, and the books that their answers need. */
export class Outbound {
  readonly window: DeliveryWindow
  /** Topic filters of each SUBSCRIBE and UNSUBSCRIBE that waits for its answer. */
  readonly subscribes = new Map<number, string[]>()
  readonly unsubscribes = new Map<number, string[]>()
  /** Reasons for a 5.0 client, by packet identifier and by topic filter. */
  readonly publishReasons = new Map<number, Reason>()
  readonly filterReasons = new Map<string, number>()
  connackReason: Reason | null = null
  /** Told in the CONNACK: a client may not even ask for what it was told there is not. */
  hasWildcards = false
  /** A CONNACK with success went out. */
  isConnected = false
  /** The client takes no packet as large as the CONNACK, so there is no way to talk to it. */
  cannotConnect = false

  #connect: ConnectPacket
  #sessionId: string
  #packetBytesMax: number
  #partial = new PartialPacket()
  #subscribed = new Set<string>()
  /** Publications of QoS 1 and 2 that wait for PUBACK or PUBREC, and of QoS 2 that wait for PUBREL. */
  #unanswered = new Map<number, { isPaced: boolean; readAt: number }>()
  #unreleased = new Set<number>()
  /** What each PUBCOMP of the engine is to become, by packet identifier and in the order of the PUBRELs. */
  #releases = new Map<number, Release[]>()
  #releaseInEngine: (packetId: number) => void
  #onAcknowledged: OutboundOptions['onAcknowledged']

  constructor(options: OutboundOptions) {
    this.#releaseInEngine = options.releaseInEngine
    this.#onAcknowledged = options.onAcknowledged
    this.#connect = options.connect
    this.#sessionId = options.sessionId
    this.#packetBytesMax = options.packetBytesMax
    this.window = new DeliveryWindow(Math.min(options.connect.receiveMaximum, WINDOW_MAX))
  }

  /** What a client gets whose CONNECT could not be read; null where 3.1.1 wants the connection just closed. */
  static refuseUnreadableConnect(version: Version, violation: ProtocolViolation): Buffer | null {
    if (version === 5) {
      return encodeConnack5(
        { code: violation.reasonCode, text: violation.message },
        { packetBytesMax: 0, assignedClientId: undefined, answersSessionExpiry: false },
      )
    }
    return violation.returnCode === undefined ? null : encodeConnack(violation.returnCode)
  }

  expectAnswer(packetId: number, qos: QoS, isPaced: boolean): void {
    if (qos > 0) this.#unanswered.set(packetId, { isPaced, readAt: performance.now() })
    if (qos === 2) this.#unreleased.add(packetId)
  }

  /** A SUBSCRIBE or UNSUBSCRIBE waits for its answer. */
  get isSettlingFilters(): boolean {
    return this.subscribes.size > 0 || this.unsubscribes.size > 0
  }

  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0
  }

  isUnanswered(packetId: number): boolean {
    return this.#unanswered.has(packetId)
  }

  isUnreleased(packetId: number): boolean {
    return this.#unreleased.has(packetId)
  }

  /** QoS 2 handshakes that the client has not finished. */
  get unreleasedCount(): number {
    return this.#unreleased.size
  }

  /** PUBACK of a publication that the engine does not see. */
  acknowledge(packetId: number): Buffer {
    return this.#ack('puback', packetId)
  }

  /** A PUBREL came; PUBCOMP tells a 5.0 client when it was for nothing, section 3.7.2.1. */
  release(packetId: number): void {
    this.#expectPubcomp(packetId, this.#unreleased.delete(packetId) ? 'known' : 'unknown')
  }

  /** Turns 3.1.1 packets of the engine into packets of the client's version. */
  translate(bytes: Buffer): Buffer {
    if (this.#partial.length > 0) {
      this.#partial.append(bytes)
      bytes = this.#partial.take()
    }
    const packets: Buffer[] = []
    let at = 0
    for (let frame = readFrame(bytes, at, NO_LIMIT); frame; frame = readFrame(bytes, at, NO_LIMIT)) {
      const packet = this.#translatePacket(bytes, frame)
      if (packet && packet.length <= this.#connect.maximumPacketSize) packets.push(packet)
      at = frame.end
    }
    if (at < bytes.length) this.#partial.append(bytes.subarray(at))
    return packets.length === 1 ? (packets[0] as Buffer) : Buffer.concat(packets)
  }

  #translatePacket(bytes: Buffer, frame: Frame): Buffer | null {
    const { start, body, end } = frame
    switch (frame.type) {
      case TYPE.connack:
        return this.#connack(bytes[body + 1] as number)
      case TYPE.publish:
        return this.#publish(bytes.subarray(start, end), frame, bytes.subarray(body, end))
      case TYPE.puback:
        return this.#ack('puback', bytes.readUInt16BE(body))
      case TYPE.pubrec:
        return this.#ack('pubrec', bytes.readUInt16BE(body))
      case TYPE.pubcomp:
        return this.#pubcomp(bytes.readUInt16BE(body))
      case TYPE.pubrel:
        return this.#pubrel(bytes.readUInt16BE(body))
      case TYPE.suback:
        return this.#suback(bytes.readUInt16BE(body), bytes.subarray(body + 2, end))
      case TYPE.unsuback:
        return this.#unsuback(bytes.readUInt16BE(body), bytes.subarray(start, end))
      default:
        return bytes.subarray(start, end)
    }
  }

  #connack(returnCode: number): Buffer {
    const packet = this.#encodeConnack(returnCode)
    this.cannotConnect = packet.length > this.#connect.maximumPacketSize // [MQTT-3.1.2-24]
    this.isConnected = returnCode === 0 && !this.cannotConnect
    return packet
  }

  #encodeConnack(returnCode: number): Buffer {
    if (this.#connect.version !== 5) return encodeConnack(returnCode)
    const reason = (returnCode > 0 && this.connackReason) || connackReason(returnCode)
    const limits = {
      packetBytesMax: this.#packetBytesMax,
      assignedClientId: this.#connect.clientId === '' ? this.#sessionId : undefined,
      answersSessionExpiry: this.#connect.sessionExpiryInterval > 0,
      hasWildcards: this.hasWildcards,
    }
    const packet = encodeConnack5(reason, limits)
    // [MQTT-3.2.2-19]: no reason string where it does not fit.
    return packet.length <= this.#connect.maximumPacketSize
      ? packet
      : encodeConnack5({ code: reason.code }, limits)
  }

  #publish(bytes: Buffer, frame: Frame, body: Buffer): Buffer | null {
    const packet = this.#connect.version === 5 ? encodePublish5(bytes[0] as number, body) : bytes
    // [MQTT-3.1.2-25]: what the client cannot take counts as delivered.
    if (packet.length > this.#connect.maximumPacketSize) return null
    if ((frame.flags & 0x06) === 0) return packet
    return this.window.admit(body.readUInt16BE(2 + body.readUInt16BE(0)), packet)
  }

  #ack(is: 'puback' | 'pubrec', packetId: number): Buffer {
    const publication = this.#unanswered.get(packetId)
    this.#unanswered.delete(packetId)
    const reason = this.publishReasons.get(packetId)
    if (publication && !reason)
      this.#onAcknowledged(publication.isPaced, performance.now() - publication.readAt)
    this.publishReasons.delete(packetId)
    if (this.#connect.version !== 5) return encodeAck5(is, packetId, undefined)
    if (is === 'pubrec' && reason && reason.code >= 0x80) this.#endEarly(packetId)
    const packet = encodeAck5(
      is,
      packetId,
      this.#connect.wantsProblemInformation ? reason : withoutText(reason),
    )
    // [MQTT-3.4.2-2]: no reason string where it does not fit.
    return packet.length <= this.#connect.maximumPacketSize
      ? packet
      : encodeAck5(is, packetId, withoutText(reason))
  }

  #expectPubcomp(packetId: number, release: Release): void {
    const waiting = this.#releases.get(packetId)
    if (waiting) waiting.push(release)
    else this.#releases.set(packetId, [release])
  }

  #pubcomp(packetId: number): Buffer | null {
    const waiting = this.#releases.get(packetId) ?? []
    const release = waiting.shift()
    if (waiting.length === 0) this.#releases.delete(packetId)
    if (release === 'unwanted') return null
    const isUnknown = release === 'unknown' && this.#connect.version === 5
    return encodeAck5('pubcomp', packetId, isUnknown ? { code: REASON.packetIdentifierNotFound } : undefined)
  }

  /** The engine answers every PUBREC, but we never send QoS 2: there is nothing to release, section 3.6.2.1. */
  #pubrel(packetId: number): Buffer {
    const reason = this.#connect.version === 5 ? { code: REASON.packetIdentifierNotFound } : undefined
    return encodeAck5('pubrel', packetId, reason)
  }

  /** A PUBREC with a reason of 0x80 or more is the last word, section 4.3.3. */
  #endEarly(packetId: number): void {
    this.#unreleased.delete(packetId)
    this.#expectPubcomp(packetId, 'unwanted')
    this.#releaseInEngine(packetId)
  }

  /** The engine answers each filter once; the client wants a code for each that it sent, [MQTT-3.8.4-5]. */
  #suback(packetId: number, granted: Buffer): Buffer {
    const topicFilters = this.subscribes.get(packetId) ?? []
    this.subscribes.delete(packetId)
    const codeOf = new Map<string, number>()
    let i = 0
    for (const topicFilter of new Set(topicFilters)) {
      const code = granted[i++] ?? 0x80
      if (code < 0x80) this.#subscribed.add(topicFilter)
      codeOf.set(topicFilter, code < 0x80 ? code : this.#filterReason(topicFilter))
    }
    const codes = topicFilters.map((topicFilter) => codeOf.get(topicFilter) ?? 0x80)
    for (const topicFilter of topicFilters) this.filterReasons.delete(topicFilter)
    return this.#connect.version === 5
      ? encodeFilterAck5(TYPE.suback, packetId, codes)
      : encodeSuback(packetId, codes)
  }

  #filterReason(topicFilter: string): number {
    if (this.#connect.version !== 5) return 0x80
    return this.filterReasons.get(topicFilter) ?? REASON.notAuthorized
  }

  #unsuback(packetId: number, bytes: Buffer): Buffer {
    const topicFilters = this.unsubscribes.get(packetId) ?? []
    this.unsubscribes.delete(packetId)
    const codes = topicFilters.map((topicFilter) =>
      this.#subscribed.delete(topicFilter) ? REASON.success : REASON.noSubscriptionExisted,
    )
    return this.#connect.version === 5 ? encodeFilterAck5(TYPE.unsuback, packetId, codes) : bytes
  }
}

/** A PUBREL of the client for a publication of his, for none, or one of ours after a refusing PUBREC. */
type Release = 'known' | 'unknown' | 'unwanted'

function withoutText(reason: Reason | undefined): Reason | undefined {
  return reason && { code: reason.code }
}

// A phone has a handful of events on the way; a hundred bounds what one connection can keep unacknowledged.
const WINDOW_MAX = 100
// The engine is ours: its packets are as large as they are.
const NO_LIMIT = Number.POSITIVE_INFINITY

import { Duplex } from 'node:stream'
import { encodePacket } from './bytes.js'
import { PartialPacket, readFrame } from './framing.js'
import type { GateOptions, Origin, Treatment } from './gate-options.js'
import { KeepAlive } from './keep-alive.js'
import {
  encodeAck,
  encodeConnectForEngine,
  encodeDisconnect5,
  encodeForEngine,
  RECEIVE_MAXIMUM,
} from './mqtt5.js'
import type { Reason } from './mqtt5.js'
import { Outbound } from './outbound.js'
import { ConnectViolation, readConnect, readPacket, TYPE } from './packets.js'
import type { ConnectPacket, PacketForEngine, PublishPacket } from './packets.js'
import { ProtocolViolation, REASON } from './reason.js'
import { Taking } from './taking.js'
import { WaitingTelemetry } from './waiting-telemetry.js'

/**
 * Every byte of a client passes here before anybody sees it, and every byte for the client before it does. Publications
 * of QoS 0 and 1 go to the handlers, a PINGREQ is answered here, everything else goes to the engine. Readable side: checked
 * 3.1.1 packets for the engine. Writable side: its 3.1.1 packets, sent in the client's version.
 *
 *     awaiting-connect ─CONNECT→ connecting ─CONNACK 0→ open ─→ closing ─→ closed
 *                                                         └─→ leaving ──┘
 *
 * `closing`: nothing more is read, what was read is still answered (ANSWER_LIMIT_MS), then DISCONNECT.
 * `leaving`: we end a client that did nothing wrong. It is told, and what it sent before it heard of it is still
 * read and stored (LINGER_MS), because no client sends an SOS twice.
 */
export class Gate extends Duplex {
  readonly origin: Origin
  readonly sessionId: string
  /** Set once CONNECT passed. */
  connect: ConnectPacket | null = null

  #state: 'awaiting-connect' | 'connecting' | 'open' | 'leaving' | 'closing' | 'closed' = 'awaiting-connect'
  #options: GateOptions
  #wire: Duplex
  #isWireGone = false
  /** The client sent FIN; it may still read. */
  #hasWireEnded = false
  #hasDisconnected = false
  /** Nothing more is said to the client: it has read DISCONNECT. */
  #isSilent = false
  #partial = new PartialPacket()
  #outbound: Outbound | null = null
  #waiting: WaitingTelemetry
  #keepAlive: KeepAlive | null = null
  #treatment: Treatment | null = null
  #isEngineFull = false
  /** Publications that are with the handlers. */
  #taking: Taking
  /** Answers of this moment, which go out together. */
  #answers: Buffer[] = []
  /** The client does not read what the gate itself answered. */
  #isWireFull = false
  #isReadScheduled = false
  /** The wire has ended: nothing waits for its turn any more. */
  #isLastRead = false
  #closeReason: Reason | null = null
  #connectTimer: NodeJS.Timeout | null
  #endTimer: NodeJS.Timeout | null = null
  #idleTimer: NodeJS.Timeout | null = null
  #afterDrain: (() => void) | null = null

  constructor(options: GateOptions) {
    super({ allowHalfOpen: true })
    this.#options = options
    this.#wire = options.wire
    this.origin = options.origin
    this.sessionId = options.sessionId
    this.#taking = new Taking(options.underWay)
    this.#waiting = new WaitingTelemetry({
      rate: options.limits.telemetryRate,
      burst: options.limits.telemetryBurst,
      admission: options.admission,
      mayRelease: () => this.#taking.mayTake(),
      onRelease: (packets) => {
        for (const packet of publicationsIn(packets)) this.#handOn(packet, true)
        this.#readRest()
        this.#paceWire()
      },
    })
    this.#connectTimer = setTimeout(() => this.#connectCameTooLate(), options.limits.connectTimeoutMs)
    this.#wire.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.#wire.on('end', () => this.#onWireEnd())
    this.#wire.on('close', () => this.#onWireClose())
    this.#wire.on('drain', () => this.#onWireDrain())
    // A reset or broken pipe is followed by 'close', which says all we need.
    this.#wire.on('error', () => {})
  }

  /** Bytes that wait for this client to read them. A WebSocket stream does not tell its own few. */
  get backlogBytes(): number {
    return this.writableLength + (this.#outbound?.window.heldBytes ?? 0) + (this.#wire.writableLength ?? 0)
  }

  /** Before CONNACK, for a client that turned out to be no phone. */
  treatAs(treatment: Treatment): void {
    this.#treatment = treatment
    this.#waiting.setPace(treatment)
    if (this.#outbound) this.#outbound.hasWildcards = treatment.hasWildcards
  }

  /** What a 5.0 client reads in the CONNACK that the engine is about to refuse it with. */
  refuseConnect(reason: Reason): void {
    if (this.#outbound) this.#outbound.connackReason = reason
  }

  /** What a 5.0 client reads in the PUBACK or PUBREC of this publication. */
  answerPublish(packetId: number, reason: Reason): void {
    if (packetId > 0) this.#outbound?.publishReasons.set(packetId, reason)
  }

  /** A publication goes to the handlers; what is returned is to be called when it is stored, or refused. */
  beginTaking({ topicName, payload }: Pick<PublishPacket, 'topicName' | 'payload'>): () => void {
    const isPaced = this.#isPaced(topicName)
    this.#taking.begin(payload.length, isPaced)
    return () => this.#endTaking(payload.length, isPaced)
  }

  #endTaking(bytes: number, isPaced: boolean): void {
    if (!this.#taking.end(bytes, isPaced)) return
    this.#waiting.releaseLater()
    this.#readRest()
    this.#paceWire()
  }

  #isPaced(topicName: string): boolean {
    return (this.#treatment ?? this.#options).isPaced(topicName)
  }

  /** What a 5.0 client reads in the SUBACK for this filter. */
  refuseFilter(topicFilter: string, reasonCode: number): void {
    this.#outbound?.filterReasons.set(topicFilter, reasonCode)
  }

  /** The reason to give if the connection ends from now on without another one; the first word counts. */
  setCloseReason(reason: Reason): void {
    this.#closeReason ??= reason
  }

  /** Asks the client to go, after what was read has been answered; see `leaving`. */
  closeWith(reason: Reason): void {
    this.setCloseReason(reason)
    if (this.#state !== 'open') return void (this.#state === 'connecting' && this.destroy())
    this.#state = 'leaving'
    this.#waiting.hurry()
    this.#readRest()
    this.#endTimer = setTimeout(() => this.#tellToLeave(), LEAVE_ANSWER_LIMIT_MS)
    this.#tellToLeaveWhenIdle()
  }

  // ---- client → engine ----

  #onData(chunk: Buffer): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    const isLittle = chunk.length <= AT_ONCE_BYTES_MAX && !this.#isReadScheduled
    if (isLittle && this.#partial.length === 0) {
      const read = this.#readPackets(chunk)
      if (read < chunk.length) this.#partial.append(chunk.subarray(read))
    } else {
      this.#partial.append(chunk)
      if (isLittle) this.#readPartial()
      else this.#readOnLater()
    }
    this.#paceWire()
  }

  #readPartial(): void {
    this.#partial.drop(this.#readPackets(this.#partial.view()))
  }

  /** Takes whole packets in and returns how many bytes they were. The rest has its turn after other clients'. */
  #readPackets(bytes: Buffer): number {
    const forEngine: Buffer[] = []
    let at = 0
    try {
      for (let taken = 0; this.#mayRead() && !this.#hasDisconnected; taken++) {
        if (taken === PACKETS_PER_TURN) {
          this.#readOnLater()
          break
        }
        const { connectBytesMax, packetBytesMax } = this.#options.limits
        const frame = readFrame(bytes, at, this.connect ? packetBytesMax : connectBytesMax)
        if (!frame) break
        at = frame.end
        if (!this.connect) {
          this.#acceptConnect(readConnect(bytes, frame))
          break
        }
        this.#keepAlive?.heard()
        const { version } = this.connect
        const packet = readPacket(bytes, frame, version)
        if (packet.is === 'pingreq') {
          this.#writeSoon(PINGRESP)
          continue
        }
        // 3.1.1 passes as it came; 3.1 may carry DUP where 3.1.1 forbids it, so it is written anew like 5.0.
        const in311 = () => (version === 4 ? bytes.subarray(frame.start, frame.end) : encodeForEngine(packet))
        if (this.#accept(packet, in311)) forEngine.push(in311())
      }
    } catch (error) {
      this.#pushAll(forEngine)
      this.#onReadError(error)
      return bytes.length
    }
    this.#pushAll(forEngine)
    // Now, and not before what stands in front of it is on its way, [MQTT-3.14.4-1].
    if (this.#hasDisconnected) this.#close(null)
    return this.#state === 'closing' ? bytes.length : at
  }

  /** The engine answers side by side, so nothing may overtake a SUBSCRIBE or UNSUBSCRIBE on its way. */
  #mayRead(): boolean {
    if (this.#state === 'awaiting-connect') return true
    const isOpen = this.#state === 'open' || this.#state === 'leaving'
    if (!isOpen || !this.#taking.mayTake()) return false
    if (this.#isLastRead) return true
    // Each that waits costs more than its bytes, and a block from the wire holds thousands.
    const isHeld = this.#state === 'open' && this.#waiting.isFull
    return !isHeld && !this.#outbound?.isSettlingFilters
  }

  /** What was read of the wire and had no room until now. */
  #readRest(): void {
    if (this.#partial.length > 0 && this.#mayRead()) this.#readOnLater()
  }

  #readOnLater(): void {
    if (this.#isReadScheduled) return
    this.#isReadScheduled = true
    this.#options.turns.wait(() => {
      this.#isReadScheduled = false
      if (this.#partial.length > 0) this.#readPartial()
      this.#closeIfRead()
      this.#paceWire()
    })
  }

  #onReadError(error: unknown): void {
    if (!(error instanceof ProtocolViolation)) throw error
    this.#options.onViolation(this, error)
    if (this.connect) return this.#close({ code: error.reasonCode, text: error.message })
    if (!this.#isWireGone) {
      const version = error instanceof ConnectViolation ? error.version : 4
      const refusal = Outbound.refuseUnreadableConnect(version, error)
      if (refusal) this.#wire.write(refusal)
    }
    this.destroy()
  }

  #acceptConnect(connect: ConnectPacket): void {
    this.connect = connect
    this.#state = 'connecting'
    this.#wire.pause()
    this.#outbound = new Outbound({
      connect,
      sessionId: this.sessionId,
      packetBytesMax: this.#options.limits.packetBytesMax,
      releaseInEngine: (packetId) => this.push(encodeAck('pubrel', packetId)),
      onAcknowledged: this.#options.onAcknowledged,
    })
    this.#options.onConnect(this)
    this.push(encodeConnectForEngine(connect, this.sessionId))
  }

  /** Keeps the books about a checked packet; false when the engine is not to see it. */
  #accept(packet: PacketForEngine, in311: () => Buffer): boolean {
    const outbound = this.#outbound as Outbound
    switch (packet.is) {
      case 'publish':
        return this.#acceptPublish(packet, outbound, in311)
      case 'subscribe':
        outbound.subscribes.set(
          packet.packetId,
          packet.filters.map(({ topicFilter }) => topicFilter),
        )
        return true
      case 'unsubscribe':
        outbound.unsubscribes.set(packet.packetId, packet.topicFilters)
        return true
      case 'pubrel':
        outbound.release(packet.packetId)
        return true
      case 'pubrec':
        return packet.reasonCode < 0x80 // else the exchange is over, section 4.3.3
      case 'puback': {
        const next = outbound.window.acknowledge(packet.packetId)
        if (next) this.#toWire(next)
        return true
      }
      case 'disconnect':
        if (packet.sessionExpiryInterval > 0 && this.connect?.sessionExpiryInterval === 0) {
          throw new ProtocolViolation(
            'MQTT5 3.14.2.2.2',
            'session expiry raised from 0',
            REASON.protocolError,
          )
        }
        this.#hasDisconnected = true // nothing behind it is read, [MQTT-3.14.4-2]
        return false
      default:
        return true
    }
  }

  #acceptPublish(packet: PublishPacket, outbound: Outbound, in311: () => Buffer): boolean {
    const { packetId, qos, topicName } = packet
    if (qos === 2 && outbound.isUnreleased(packetId)) {
      // [MQTT-4.3.3-2]: the same publication again; answered again, handled once.
      if (!outbound.isUnanswered(packetId) && !this.#toWire(encodeAck('pubrec', packetId)))
        this.#isWireFull = true
      return false
    }
    if (qos === 2 && outbound.unreleasedCount >= RECEIVE_MAXIMUM) {
      throw new ProtocolViolation(
        'MQTT5 3.2.2.3.3',
        'too many QoS 2 handshakes',
        REASON.receiveMaximumExceeded,
      )
    }
    const isPaced = this.#isPaced(topicName)
    outbound.expectAnswer(packetId, qos, isPaced)
    const mayGoOn =
      this.#state === 'leaving' ||
      !isPaced ||
      this.#waiting.mayPass(packet.payload.length) ||
      this.#treatment?.isUrgent(packet)
    if (!mayGoOn) this.#waiting.add(in311())
    else if (qos === 2) return true
    else this.#handOn(packet, isPaced)
    return false
  }

  #handOn(packet: PublishPacket, isPaced: boolean): void {
    if (packet.qos === 2) return this.#pushAll([encodeForEngine(packet)])
    const bytes = packet.payload.length
    this.#taking.begin(bytes, isPaced)
    this.#options.onPublish(this, packet).then(
      () => {
        if (packet.qos === 1) this.#answer(packet.packetId)
        this.#endTaking(bytes, isPaced)
      },
      () => {
        this.#endTaking(bytes, isPaced)
        this.destroy()
      },
    )
  }

  /** PUBACK. What the store took in one go is answered in one go. */
  #answer(packetId: number): void {
    if (this.#state === 'closed') return
    this.#writeSoon((this.#outbound as Outbound).acknowledge(packetId))
  }

  #writeSoon(packet: Buffer): void {
    if (packet.length > (this.connect as ConnectPacket).maximumPacketSize) return
    if (this.#answers.push(packet) > 1) return
    process.nextTick(() => {
      this.#writeAnswers()
      if (this.#state === 'closing') this.#closeIfAnswered()
      else this.#tellToLeaveWhenIdle()
    })
  }

  #writeAnswers(): void {
    if (this.#answers.length === 0) return
    const bytes = this.#answers.length === 1 ? (this.#answers[0] as Buffer) : Buffer.concat(this.#answers)
    this.#answers = []
    if (this.#toWire(bytes)) return
    this.#isWireFull = true
    this.#paceWire()
  }

  #pushAll(packets: Buffer[]): void {
    if (packets.length === 0) return
    const bytes = packets.length === 1 ? (packets[0] as Buffer) : Buffer.concat(packets)
    if (!this.push(bytes)) this.#isEngineFull = true
  }

  /** Backpressure towards the client: its bytes stay in the kernel while we have enough of them. */
  #paceWire(): void {
    if (this.#isWireGone || this.#state === 'closed') return
    const isBusy = this.#isEngineFull || this.#isWireFull || this.#isReadScheduled
    if (!isBusy && this.#mayRead()) this.#wire.resume()
    else this.#wire.pause()
  }

  /** The engine takes what is there; the last of it may be something that is not answered. */
  override read(size?: number): unknown {
    const bytes: unknown = super.read(size)
    if (this.#state === 'closing') setImmediate(() => this.#closeIfAnswered())
    return bytes
  }

  override _read(): void {
    this.#isEngineFull = false
    this.#waiting.releaseLater()
    this.#paceWire()
  }

  // ---- engine → client ----

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#fromEngine(chunk, done)
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#fromEngine(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  #fromEngine(bytes: Buffer, done: () => void): void {
    const outbound = this.#outbound as Outbound
    const forClient = outbound.translate(bytes)
    if (forClient.length > 0 && !this.#toWire(forClient)) this.#afterDrain = done
    else done()
    if (outbound.cannotConnect) this.destroy()
    else if (this.#state === 'connecting' && outbound.isConnected) this.#open()
    else if (this.#state === 'closing') this.#closeIfAnswered()
    else {
      this.#readRest()
      this.#paceWire()
    }
    this.#tellToLeaveWhenIdle()
  }

  /** False when the client does not read: 'drain' follows. */
  #toWire(bytes: Buffer): boolean {
    return this.#isWireGone || this.#isSilent || this.#state === 'closed' || this.#wire.write(bytes)
  }

  #open(): void {
    this.#state = 'open'
    if (this.#connectTimer) clearTimeout(this.#connectTimer)
    this.#connectTimer = null
    this.#keepAlive = new KeepAlive((this.connect as ConnectPacket).keepAlive, {
      isHeldBack: () => !this.#mayRead() || this.#isReadScheduled || this.#waiting.length > 0,
      onSilence: () => this.#endSilent(),
    })
    // What the client sent behind its CONNECT waited for the CONNACK.
    this.#readPartial()
    if (this.#isWireGone || this.#hasWireEnded) this.#closeAfterRest()
    else this.#paceWire()
  }

  // ---- the end ----

  #connectCameTooLate(): void {
    this.#options.onViolation(this, new ProtocolViolation('limit', 'no CONNECT in time'))
    this.destroy()
  }

  #endSilent(): void {
    if (this.#state === 'closing') return // it has its own limit
    this.#options.onSilence()
    this.setCloseReason({ code: REASON.keepAliveTimeout })
    this.destroy()
  }

  #onWireEnd(): void {
    this.#hasWireEnded = true
    if (this.#state === 'awaiting-connect') this.destroy()
    else if (this.#state === 'open' || this.#state === 'leaving') this.#closeAfterRest()
  }

  #onWireClose(): void {
    this.#isWireGone = true
    this.#onWireDrain()
    if (this.#state !== 'connecting') this.#onWireEnd() // else what came behind CONNECT is still read
  }

  #onWireDrain(): void {
    const done = this.#afterDrain
    this.#afterDrain = null
    done?.()
    if (!this.#isWireFull) return
    this.#isWireFull = false
    this.#paceWire()
  }

  /** Idle means: everything that came is answered, and nothing has come for a moment. */
  #tellToLeaveWhenIdle(): void {
    if (this.#state !== 'leaving' || this.#isSilent || this.#idleTimer) return
    const isIdle = () =>
      !this.#outbound?.hasUnanswered &&
      this.#waiting.length === 0 &&
      !this.#isReadScheduled &&
      this.readableLength === 0
    if (!isIdle()) return
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = null
      if (isIdle()) this.#tellToLeave()
    }, IDLE_MS)
  }

  #tellToLeave(): void {
    if (this.#isSilent || this.#state !== 'leaving') return
    // 3.1.1 has no word for it: such a client is answered to the end.
    if (this.connect?.version !== 5) return this.#closeAfterRest()
    this.#sayGoodbye()
    this.#isSilent = true
    if (this.#endTimer) clearTimeout(this.#endTimer)
    this.#endTimer = setTimeout(() => this.#closeAfterRest(), LINGER_MS)
  }

  /** Whole packets that only waited for their turn came before the end. */
  #closeAfterRest(): void {
    this.#isLastRead = true
    if (this.#partial.length > 0 && !this.#isReadScheduled) this.#readPartial()
    this.#closeIfRead()
  }

  #closeIfRead(): void {
    if (!this.#isLastRead || this.#isReadScheduled) return
    if (this.#partial.length === 0 || this.#mayRead()) this.#close(null)
  }

  #close(reason: Reason | null): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    if (reason) this.setCloseReason(reason)
    if (this.#state !== 'open' && this.#state !== 'leaving') {
      this.destroy()
      return
    }
    this.#state = 'closing'
    this.#wire.pause()
    this.#waiting.hurry()
    if (this.#endTimer) clearTimeout(this.#endTimer)
    this.#endTimer = setTimeout(() => this.destroy(), ANSWER_LIMIT_MS)
    setImmediate(() => this.#closeIfAnswered())
  }

  #closeIfAnswered(): void {
    if (this.#state !== 'closing' || this.readableLength > 0) return
    if (this.#isSilent || (!this.#outbound?.hasUnanswered && this.#waiting.length === 0)) this.destroy()
  }

  /** The engine ends a connection by destroying it, also when it has not seen all that was read for it. */
  override destroy(error?: Error): this {
    if (!this.destroyed && this.#outbound?.isConnected) this.#handOverUnseen()
    return super.destroy(error)
  }

  #handOverUnseen(): void {
    // Of QoS 2 the engine has not read all.
    const unread = (this.read() as Buffer | null) ?? EMPTY
    const unseen = [...publicationsIn(unread), ...publicationsIn(this.#waiting.takeAll())]
    if (this.#waiting.length > 0) this.#options.onDropped(this, this.#waiting.length)
    this.#waiting.clear()
    for (const packet of unseen) this.#options.onPublish(this, packet).catch(() => {})
  }

  /** The last words still have to reach the client: on TLS and WebSocket they are not in the kernel yet. */
  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    for (const timer of [this.#connectTimer, this.#endTimer, this.#idleTimer]) {
      if (timer) clearTimeout(timer)
    }
    this.#keepAlive?.stop()
    this.#waiting.clear()
    this.#writeAnswers()
    if (!this.#isWireGone) {
      if (!this.#isSilent) this.#sayGoodbye()
      this.#endWire()
    }
    this.#state = 'closed'
    this.#onWireDrain()
    done(null)
  }

  #sayGoodbye(): void {
    const reason = this.#closeReason
    if (!reason || !this.#outbound?.isConnected || this.connect?.version !== 5 || this.#isWireGone) return
    const { maximumPacketSize } = this.connect
    const packet = encodeDisconnect5(reason)
    // [MQTT-3.14.2-3]: no reason string where it does not fit.
    this.#wire.write(packet.length <= maximumPacketSize ? packet : encodeDisconnect5({ code: reason.code }))
  }

  /** FIN behind the last bytes; what the client still sends is thrown away, so that no reset overtakes them. */
  #endWire(): void {
    const limit = setTimeout(() => this.#wire.destroy(), END_LIMIT_MS)
    this.#wire.once('close', () => clearTimeout(limit))
    this.#wire.end()
    this.#wire.resume()
  }
}

/** The publications in checked packets of 3.1.1. */
function* publicationsIn(bytes: Buffer): Iterable<PublishPacket> {
  for (let frame = readFrame(bytes, 0, Infinity); frame; frame = readFrame(bytes, frame.end, Infinity)) {
    const packet = frame.type === TYPE.publish && readPacket(bytes, frame, 4)
    if (packet && packet.is === 'publish') yield packet
  }
}

const EMPTY = Buffer.alloc(0)
const PINGRESP = encodePacket(TYPE.pingresp << 4)
/** What is read as it comes: an SOS with all its properties. More waits for its turn behind other clients'. */
const AT_ONCE_BYTES_MAX = 4_096
/** Packets of one client before others have their turn: a segment full of the smallest SOS would hold everybody up for a second. */
const PACKETS_PER_TURN = 32
/** A store that needs longer than this for an answer has failed; a stop of the broker must end within 10 s. */
const ANSWER_LIMIT_MS = 5_000
/** How long a client that has to go gets the answers to what it sent, before it is told. */
const LEAVE_ANSWER_LIMIT_MS = 3_000
/** What one segment brought is read in turns; this is far longer than the pause between two of them. */
const IDLE_MS = 20
/** DISCONNECT needs a round trip of a bad mobile network, until then the client may have sent an SOS. */
const LINGER_MS = 1_000
/** A client that does not read its last packet within a second never will. */
const END_LIMIT_MS = 1_000

import { Duplex } from 'node:stream'
import { PartialPacket, readFrame } from './framing.js'
import { encodeAck, encodeConnectForEngine, encodeDisconnect5, encodeForEngine } from './mqtt5.js'
import type { Reason } from './mqtt5.js'
import { Outbound } from './outbound.js'
import { Pacer } from './pacer.js'
import { ConnectViolation, readConnect, readPacket } from './packets.js'
import type { ClientPacket, ConnectPacket, PublishPacket } from './packets.js'
import { ProtocolViolation, REASON } from './reason.js'

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
  /** A CONNECT passed every check; the engine is to take the gate over. */
  onConnect: (gate: Gate) => void
  onViolation: (gate: Gate, violation: ProtocolViolation) => void
}

/**
 * Every byte of a client passes here before the engine sees it, and every byte of the engine before the
 * client does. Readable side: checked 3.1.1 packets. Writable side: 3.1.1 packets, sent in the client's version.
 *
 *     awaiting-connect ─CONNECT→ connecting ─CONNACK 0→ open ─→ closing ─→ closed
 *
 * `closing` means: nothing more is read, what was read is still answered (ANSWER_LIMIT_MS), then DISCONNECT.
 */
export class Gate extends Duplex {
  readonly origin: Origin
  readonly sessionId: string
  /** Set once CONNECT passed. */
  connect: ConnectPacket | null = null

  #state: 'awaiting-connect' | 'connecting' | 'open' | 'closing' | 'closed' = 'awaiting-connect'
  #options: GateOptions
  #wire: Duplex
  #isWireGone = false
  #partial = new PartialPacket()
  #outbound: Outbound | null = null
  #pacer: Pacer
  /** Telemetry that came faster than it may, whole packets in 3.1.1, oldest first. */
  #paced: Buffer[] = []
  #pacedBytes = 0
  #pacedTimer: NodeJS.Timeout | null = null
  #isEngineFull = false
  #closeReason: Reason | null = null
  #connectTimer: NodeJS.Timeout | null
  #answerTimer: NodeJS.Timeout | null = null
  #afterDrain: (() => void) | null = null

  constructor(options: GateOptions) {
    super({ allowHalfOpen: true })
    this.#options = options
    this.#wire = options.wire
    this.origin = options.origin
    this.sessionId = options.sessionId
    this.#pacer = new Pacer(options.limits.telemetryRate, options.limits.telemetryBurst)
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

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** What a 5.0 client reads in the CONNACK that the engine is about to refuse it with. */
  refuseConnect(reason: Reason): void {
    if (this.#outbound) this.#outbound.connackReason = reason
  }

  /** What a 5.0 client reads in the PUBACK or PUBREC of this publication. */
  answerPublish(packetId: number, reason: Reason): void {
    if (packetId > 0) this.#outbound?.publishReasons.set(packetId, reason)
  }

  /** What a 5.0 client reads in the SUBACK for this filter. */
  refuseFilter(topicFilter: string, reasonCode: number): void {
    this.#outbound?.filterReasons.set(topicFilter, reasonCode)
  }

  /** The reason to give if the connection ends from now on without another one; the first word counts. */
  setCloseReason(reason: Reason): void {
    this.#closeReason ??= reason
  }

  /** Ends the connection after what was read has been answered. */
  closeWith(reason: Reason): void {
    this.#close(reason)
  }

  // ---- client → engine ----

  #onData(chunk: Buffer): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    if (this.#partial.length === 0) {
      const read = this.#readPackets(chunk)
      if (read < chunk.length) this.#partial.append(chunk.subarray(read))
    } else {
      this.#partial.append(chunk)
      this.#readPartial()
    }
    this.#paceWire()
  }

  #readPartial(): void {
    const read = this.#readPackets(this.#partial.view())
    if (read === 0) return
    const left = this.#partial.take().subarray(read)
    if (left.length > 0) this.#partial.append(left)
  }

  /** Takes every whole packet in and returns how many bytes they were. */
  #readPackets(bytes: Buffer): number {
    const forEngine: Buffer[] = []
    let at = 0
    try {
      while (this.#state === 'awaiting-connect' || this.#state === 'open') {
        const { connectBytesMax, packetBytesMax } = this.#options.limits
        const frame = readFrame(bytes, at, this.connect ? packetBytesMax : connectBytesMax)
        if (!frame) break
        at = frame.end
        if (!this.connect) {
          this.#acceptConnect(readConnect(bytes, frame))
          break
        }
        const { version } = this.connect
        const packet = readPacket(bytes, frame, version)
        const checked = this.#accept(packet)
        // 3.1.1 passes as it came; 3.1 may carry DUP where 3.1.1 forbids it, so it is written anew like 5.0.
        if (checked)
          forEngine.push(version === 4 ? bytes.subarray(frame.start, frame.end) : encodeForEngine(packet))
      }
    } catch (error) {
      this.#pushAll(forEngine)
      this.#onReadError(error)
      return bytes.length
    }
    this.#pushAll(forEngine)
    return this.#state === 'closing' ? bytes.length : at
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
    })
    this.#options.onConnect(this)
    this.push(encodeConnectForEngine(connect, this.sessionId))
  }

  /** Keeps the books about a checked packet; false when the engine is not to see it. */
  #accept(packet: ClientPacket): boolean {
    const outbound = this.#outbound as Outbound
    switch (packet.is) {
      case 'publish':
        return this.#acceptPublish(packet, outbound)
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
      case 'puback': {
        const next = outbound.window.acknowledge(packet.packetId)
        if (next) this.#toWire(next)
        return true
      }
      case 'disconnect':
        if (packet.sessionExpiryInterval > 0 && this.connect?.sessionExpiryInterval === 0) {
          throw new ProtocolViolation('MQTT-3.1.2-23', 'session expiry raised from 0', REASON.protocolError)
        }
        this.#close(null) // [MQTT-3.14.4-1] and nothing behind it is read, [MQTT-3.14.4-2]
        return false
      default:
        return true
    }
  }

  #acceptPublish(packet: PublishPacket, outbound: Outbound): boolean {
    const { packetId, qos, topicName } = packet
    if (qos === 2 && outbound.isUnreleased(packetId)) {
      // [MQTT-4.3.3-2]: the same publication again; answered again, handled once.
      if (!outbound.isUnanswered(packetId)) this.#toWire(encodeAck('pubrec', packetId))
      return false
    }
    outbound.expectAnswer(packetId, qos)
    if (!this.#options.isPaced(topicName)) return true
    if (this.#paced.length === 0 && this.#pacer.take()) return true
    const bytes = encodeForEngine(packet)
    this.#paced.push(bytes)
    this.#pacedBytes += bytes.length
    this.#pacedTimer ??= setTimeout(() => this.#releasePaced(), this.#pacer.waitMs())
    return false
  }

  #releasePaced(): void {
    this.#pacedTimer = null
    while (this.#paced.length > 0 && !this.#isEngineFull && this.#pacer.take()) {
      const bytes = this.#paced.shift() as Buffer
      this.#pacedBytes -= bytes.length
      this.#pushAll([bytes])
    }
    if (this.#paced.length > 0)
      this.#pacedTimer = setTimeout(() => this.#releasePaced(), this.#pacer.waitMs())
    this.#paceWire()
  }

  #pushAll(packets: Buffer[]): void {
    if (packets.length === 0) return
    const bytes = packets.length === 1 ? (packets[0] as Buffer) : Buffer.concat(packets)
    if (!this.push(bytes)) this.#isEngineFull = true
  }

  /** Backpressure towards the client: its bytes stay in the kernel while we have enough of them. */
  #paceWire(): void {
    if (this.#isWireGone) return
    const wantsMore = !this.#isEngineFull && this.#pacedBytes < PACED_BYTES_MAX
    if (this.#state === 'awaiting-connect' || (this.#state === 'open' && wantsMore)) this.#wire.resume()
    else if (this.#state !== 'closed') this.#wire.pause()
  }

  override _read(): void {
    this.#isEngineFull = false
    // The engine takes the bytes after this call, so whether it has them all is known a moment later.
    if (this.#state === 'closing') setImmediate(() => this.#closeIfAnswered())
    else this.#paceWire()
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
    if (this.#state === 'connecting' && outbound.isConnected) this.#open()
    if (this.#state === 'closing') this.#closeIfAnswered()
  }

  #toWire(bytes: Buffer): boolean {
    return this.#isWireGone || this.#state === 'closed' || this.#wire.write(bytes)
  }

  #open(): void {
    this.#state = 'open'
    if (this.#connectTimer) clearTimeout(this.#connectTimer)
    this.#connectTimer = null
    // What the client sent behind its CONNECT waited for the CONNACK.
    this.#readPartial()
    if (this.#isWireGone) this.#close(null)
    else this.#paceWire()
  }

  // ---- the end ----

  #connectCameTooLate(): void {
    this.#options.onViolation(this, new ProtocolViolation('limit', 'no CONNECT in time'))
    this.destroy()
  }

  #onWireEnd(): void {
    if (this.#state === 'awaiting-connect') this.destroy()
    else if (this.#state === 'open') this.#close(null)
  }

  #onWireClose(): void {
    this.#isWireGone = true
    this.#onWireDrain()
    if (this.#state === 'connecting') return // what came behind CONNECT is still read
    this.#onWireEnd()
  }

  #onWireDrain(): void {
    const done = this.#afterDrain
    this.#afterDrain = null
    done?.()
  }

  #close(reason: Reason | null): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    if (reason) this.setCloseReason(reason)
    if (this.#state !== 'open') {
      this.destroy()
      return
    }
    this.#state = 'closing'
    this.#wire.pause()
    // The client sends no more, so what it sent too fast is no flood any longer.
    this.#pushAll(this.#paced)
    this.#paced = []
    this.#answerTimer = setTimeout(() => this.destroy(), ANSWER_LIMIT_MS)
    setImmediate(() => this.#closeIfAnswered())
  }

  #closeIfAnswered(): void {
    if (this.#state === 'closing' && this.readableLength === 0 && !this.#outbound?.hasUnanswered)
      this.destroy()
  }

  /** The engine ends a connection by destroying it; the last words still have to reach the client. */
  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    const wasConnected = this.#outbound?.isConnected === true
    for (const timer of [this.#connectTimer, this.#answerTimer, this.#pacedTimer])
      if (timer) clearTimeout(timer)
    if (!this.#isWireGone) {
      if (wasConnected && this.#closeReason && this.connect?.version === 5) {
        this.#wire.write(encodeDisconnect5(this.#closeReason))
      }
      this.#endWire()
    }
    this.#state = 'closed'
    this.#onWireDrain()
    done(null)
  }

  /** FIN behind the last bytes; what the client still sends is thrown away, so that no reset overtakes them. */
  #endWire(): void {
    const limit = setTimeout(() => this.#wire.destroy(), END_LIMIT_MS)
    this.#wire.once('close', () => clearTimeout(limit))
    this.#wire.end()
    this.#wire.resume()
  }
}

/**
 * Telemetry kept per connection while it comes faster than TELEMETRY_RATE; behind it the socket is read no
 * further. It is what an SOS of the same client can overtake: at 200 bytes a message, 16 s of the default rate.
 */
const PACED_BYTES_MAX = 65_536
/** A store that needs longer than this for an answer has failed; a stop of the broker must end within 10 s. */
const ANSWER_LIMIT_MS = 5_000
/** A client that does not read its last packet within a second never will. */
const END_LIMIT_MS = 1_000

import type { Admission } from './admission.js'
import { PartialPacket, readFrame } from './framing.js'
import { Pacer } from './pacer.js'

/**
 * Telemetry of one connection that came faster than it may, or than the broker can take from all: whole packets
 * in 3.1.1, oldest first, in one piece of memory: as objects that live for a second, tens of thousands of them made each
 * garbage collection twice as long. What an SOS of the same client overtakes.
 */
export class WaitingTelemetry {
  #pacer: Pacer
  #admission: Admission
  #mayRelease: () => boolean
  #onRelease: (packets: Buffer) => void
  #packets = new PartialPacket()
  #count = 0
  /** Of the message that is released next. */
  #nextCost = 1
  #timer: NodeJS.Timeout | null = null
  /** The connection ends: its rate no longer matters. */
  #isHurried = false
  #release = () => this.#releaseSome()

  constructor(options: {
    /** Messages a second on average, and at once. */
    rate: number
    burst: number
    admission: Admission
    /** False while enough of this connection is under way: releaseLater() is called when there is room. */
    mayRelease: () => boolean
    onRelease: (packets: Buffer) => void
  }) {
    this.#pacer = new Pacer(options.rate, options.burst)
    this.#admission = options.admission
    this.#mayRelease = options.mayRelease
    this.#onRelease = options.onRelease
  }

  /** From now on so many messages a second on average, and at once. */
  setPace({ rate, burst }: { rate: number; burst: number }): void {
    this.#pacer = new Pacer(rate, burst)
  }

  /** Enough waits: the client's bytes stay in the kernel. */
  get isFull(): boolean {
    return this.#bytes >= this.#admission.waitingBytesMax
  }

  /** Whether a message of so many bytes may go on without waiting; then it counts as gone. */
  mayPass(bytes: number): boolean {
    if (this.#count > 0 || !this.#admission.hasRoom || !this.#pacer.take(costOf(bytes))) return false
    this.#admission.take()
    return true
  }

  add(packet: Buffer): void {
    if (this.#count === 0) this.#nextCost = costOf(packet.length)
    this.#packets.append(packet)
    this.#count++
    this.#admission.count(packet.length + PACKET_OVERHEAD_BYTES)
    this.releaseLater()
  }

  releaseLater(): void {
    if (this.#count === 0 || !this.#mayRelease() || this.#timer) return
    if (!this.#admission.hasRoom) this.#admission.wait(this.#release)
    else this.#timer = setTimeout(this.#release, this.#isHurried ? 0 : this.#pacer.waitMs(this.#nextCost))
  }

  get length(): number {
    return this.#count
  }

  /** At the end what came too fast is no flood any longer: it waits for the common room only. */
  hurry(): void {
    this.#isHurried = true
    this.#stop()
    this.releaseLater()
  }

  /** All that waits, for a connection that is gone at once. Nothing when too much of others' is gone as well. */
  takeAll(): Buffer {
    if (!this.#admission.hasRoomFor(this.#count)) return EMPTY
    const all = this.#packets.view()
    for (let n = 0; n < this.#count; n++) this.#admission.take()
    this.clear()
    return all
  }

  /** Forgets what waits. */
  clear(): void {
    this.#forget(this.#count, this.#packets.length)
    this.#stop()
  }

  #stop(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#admission.leave(this.#release)
  }

  #releaseSome(): void {
    this.#timer = null
    const bytes = this.#packets.view()
    let end = 0
    let released = 0
    let next = readFrame(bytes, 0, Infinity)
    while (next && released < RELEASED_AT_ONCE_MAX && this.#admission.hasRoom) {
      this.#nextCost = costOf(next.end - next.start)
      if (!this.#isHurried && !this.#pacer.take(this.#nextCost)) break
      this.#admission.take()
      released++
      end = next.end
      next = readFrame(bytes, end, Infinity)
    }
    this.#forget(released, end)
    if (released > 0) this.#onRelease(bytes.subarray(0, end))
    this.releaseLater()
  }

  #forget(count: number, bytes: number): void {
    this.#count -= count
    this.#packets.drop(bytes)
    this.#admission.count(-bytes - count * PACKET_OVERHEAD_BYTES)
  }

  get #bytes(): number {
    return this.#packets.length + this.#count * PACKET_OVERHEAD_BYTES
  }
}

/** What a message costs of its connection's rate. */
function costOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / MESSAGE_BYTES))
}

/**
 * A larger message counts as several, so that a rate of messages is one of bytes too: 80 KiB a second with the default.
 * Telemetry of a phone has some 300 bytes.
 */
const MESSAGE_BYTES = 4_096
/** What the smallest packet costs in memory besides its bytes: somebody waits for its answer. */
const PACKET_OVERHEAD_BYTES = 128
/** Others wait for room too. */
const RELEASED_AT_ONCE_MAX = 16
const EMPTY = Buffer.alloc(0)

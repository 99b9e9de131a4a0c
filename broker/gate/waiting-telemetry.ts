import type { Admission } from './admission.js'
import { Pacer } from './pacer.js'
import type { PublishPacket } from './packets.js'

/**
 * Telemetry of one connection that came faster than it may, or than the broker can take from all: oldest
 * first. What an SOS of the same client overtakes.
 */
export class WaitingTelemetry {
  #pacer: Pacer
  #admission: Admission
  #mayRelease: () => boolean
  #onRelease: (packets: PublishPacket[]) => void
  #packets: PublishPacket[] = []
  #bytes = 0
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
    onRelease: (packets: PublishPacket[]) => void
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

  /** Whether a message may go on without waiting; then it counts as gone. */
  mayPass(): boolean {
    if (this.#packets.length > 0 || !this.#admission.hasRoom || !this.#pacer.take()) return false
    this.#admission.take()
    return true
  }

  add(packet: PublishPacket): void {
    // A view of the payload would keep the whole block from the socket.
    this.#packets.push({ ...packet, payload: Buffer.from(packet.payload) })
    this.#count(bytesOf(packet))
    this.releaseLater()
  }

  releaseLater(): void {
    if (this.#packets.length === 0 || !this.#mayRelease() || this.#timer) return
    if (!this.#admission.hasRoom) this.#admission.wait(this.#release)
    else this.#timer = setTimeout(this.#release, this.#isHurried ? 0 : this.#pacer.waitMs())
  }

  get length(): number {
    return this.#packets.length
  }

  /** At the end what came too fast is no flood any longer: it waits for the common room only. */
  hurry(): void {
    this.#isHurried = true
    this.#stop()
    this.releaseLater()
  }

  /** All that waits, for a connection that is gone at once. Nothing when too much of others' is gone as well. */
  takeAll(): PublishPacket[] {
    if (!this.#admission.hasRoomFor(this.#packets.length)) return []
    const all = this.#packets
    for (let n = 0; n < all.length; n++) this.#admission.take()
    this.clear()
    return all
  }

  /** Forgets what waits. */
  clear(): void {
    this.#packets = []
    this.#count(-this.#bytes)
    this.#stop()
  }

  #stop(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#admission.leave(this.#release)
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#admission.count(bytes)
  }

  #releaseSome(): void {
    this.#timer = null
    const released: PublishPacket[] = []
    while (
      released.length < Math.min(this.#packets.length, RELEASED_AT_ONCE_MAX) &&
      this.#admission.hasRoom &&
      (this.#isHurried || this.#pacer.take())
    ) {
      this.#admission.take()
      const packet = this.#packets[released.length] as PublishPacket
      this.#count(-bytesOf(packet))
      released.push(packet)
    }
    this.#packets.splice(0, released.length)
    if (released.length > 0) this.#onRelease(released)
    this.releaseLater()
  }
}

function bytesOf({ topicName, payload }: PublishPacket): number {
  return topicName.length + payload.length + PACKET_OVERHEAD_BYTES
}

/** What the smallest packet costs in memory besides its bytes. */
const PACKET_OVERHEAD_BYTES = 256
/** Others wait for room too. */
const RELEASED_AT_ONCE_MAX = 16

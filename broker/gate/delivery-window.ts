/**
 * Events of QoS 1 on their way to one client. No more than `size` wait for their PUBACK at a time (a 5.0
 * client may ask for fewer by its Receive Maximum, [MQTT-3.3.4-9]); the rest wait here, in order.
 */
export class DeliveryWindow {
  #unacknowledged = new Set<number>()
  #held: { packetId: number; bytes: Buffer }[] = []
  #heldBytes = 0

  constructor(readonly size: number) {}

  /** Bytes of the events that wait here. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The bytes to send now, or null: then they are kept until an earlier event is acknowledged. */
  admit(packetId: number, bytes: Buffer): Buffer | null {
    if (this.#unacknowledged.size < this.size) {
      this.#unacknowledged.add(packetId)
      return bytes
    }
    this.#held.push({ packetId, bytes })
    this.#heldBytes += bytes.length
    return null
  }

  /** A PUBACK came: the next event to send, if one waits. An identifier that is not on its way changes nothing. */
  acknowledge(packetId: number): Buffer | null {
    if (!this.#unacknowledged.delete(packetId)) return null
    const next = this.#held.shift()
    if (!next) return null
    this.#heldBytes -= next.bytes.length
    this.#unacknowledged.add(next.packetId)
    return next.bytes
  }
}

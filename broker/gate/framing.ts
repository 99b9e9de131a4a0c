import { ProtocolViolation, REASON } from './reason.js'

/** Where one packet lies in a run of bytes. `body` is the offset of its variable header. */
export interface Frame {
  type: number
  flags: number
  start: number
  body: number
  end: number
  /** 5.0 forbids a Remaining Length that uses more bytes than it needs. */
  isMinimal: boolean
}

/**
 * Finds the packet that starts at `at`. Returns null while the fixed header or the body is not all there.
 *
 * @throws ProtocolViolation when Remaining Length is malformed (section 2.2.3) or larger than `bytesMax`,
 * and then as soon as the length is known, so that an announced packet never has to be kept.
 */
export function readFrame(bytes: Buffer, at: number, bytesMax: number): Frame | null {
  if (at >= bytes.length) return null
  const first = bytes[at] as number
  let length = 0
  let i = 0
  for (;;) {
    const byte = bytes[at + 1 + i]
    if (byte === undefined) return null
    length += (byte & 0x7f) * 128 ** i
    i++
    if (byte < 0x80) break
    if (i === 4) throw new ProtocolViolation('MQTT 2.2.3', 'Remaining Length is longer than 4 bytes')
  }
  const body = at + 1 + i
  if (body - at + length > bytesMax) {
    throw new ProtocolViolation('limit', `packet larger than ${bytesMax} bytes`, REASON.packetTooLarge)
  }
  if (bytes.length < body + length) return null
  const isMinimal = i === 1 || bytes[body - 1] !== 0
  return { type: first >> 4, flags: first & 0x0f, start: at, body, end: body + length, isMinimal }
}

/**
 * Bytes that do not make a whole packet yet. They are copied, because a view would keep the 64 KiB block of
 * the socket alive, and the room doubles, so that a client that sends one byte at a time costs O(n).
 */
export class PartialPacket {
  #room: Buffer = EMPTY
  #length = 0

  get length(): number {
    return this.#length
  }

  append(chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (length > this.#room.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(length, this.#room.length * 2))
      this.#room.copy(room, 0, 0, this.#length)
      this.#room = room
    }
    chunk.copy(this.#room, this.#length)
    this.#length = length
  }

  /** Hands over what was kept and starts empty. */
  take(): Buffer {
    const bytes = this.#room.subarray(0, this.#length)
    this.#room = EMPTY
    this.#length = 0
    return bytes
  }

  view(): Buffer {
    return this.#room.subarray(0, this.#length)
  }
}

const EMPTY = Buffer.alloc(0)

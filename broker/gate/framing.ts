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
 * Bytes whose turn has not come, or that do not make a whole packet yet. A small part of a block from the socket is
 * copied, because a view would keep the whole block alive; a large one is kept as it is.
 */
export class PartialPacket {
  #room: Buffer = EMPTY
  #start = 0
  #end = 0

  get length(): number {
    return this.#end - this.#start
  }

  append(chunk: Buffer): void {
    if (this.length === 0 && chunk.length * 2 >= chunk.buffer.byteLength) {
      this.#room = chunk
      this.#start = 0
      this.#end = chunk.length
      return
    }
    if (this.#end + chunk.length > this.#room.length) this.#makeRoomFor(chunk.length)
    chunk.copy(this.#room, this.#end)
    this.#end += chunk.length
  }

  /** The room at least doubles, so that a client that sends one byte at a time costs O(n). */
  #makeRoomFor(more: number): void {
    const kept = this.view()
    const room = Buffer.allocUnsafeSlow(Math.max(kept.length + more, kept.length * 2))
    kept.copy(room)
    this.#room = room
    this.#start = 0
    this.#end = kept.length
  }

  view(): Buffer {
    return this.#room.subarray(this.#start, this.#end)
  }

  /** Forgets the first bytes. What was seen of them stays as it is: nothing is ever written over it. */
  drop(count: number): void {
    this.#start += count
    if (this.length === 0) this.take()
    else if (this.length * 4 < this.#room.length) this.#makeRoomFor(0)
  }

  /** Hands over what was kept and starts empty. */
  take(): Buffer {
    const bytes = this.view()
    this.#room = EMPTY
    this.#start = 0
    this.#end = 0
    return bytes
  }
}

const EMPTY = Buffer.alloc(0)

import { isUtf8 } from 'node:buffer'
import { ProtocolViolation, REASON } from './reason.js'

/** A cursor over the body of one packet. Every read that would pass the end is a malformed packet. */
export class ByteReader {
  #at: number

  constructor(
    readonly bytes: Buffer,
    start: number,
    readonly end: number,
  ) {
    this.#at = start
  }

  get at(): number {
    return this.#at
  }

  get left(): number {
    return this.end - this.#at
  }

  byte(): number {
    this.#need(1)
    return this.bytes[this.#at++] as number
  }

  uint16(): number {
    this.#need(2)
    const value = this.bytes.readUInt16BE(this.#at)
    this.#at += 2
    return value
  }

  uint32(): number {
    this.#need(4)
    const value = this.bytes.readUInt32BE(this.#at)
    this.#at += 4
    return value
  }

  /** Variable Byte Integer, 5.0 section 1.5.5. */
  varint(): number {
    let value = 0
    for (let i = 0; i < 4; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * 128 ** i
      if (byte < 0x80) {
        if (i > 0 && byte === 0)
          throw new ProtocolViolation('MQTT-1.5.5-1', 'length uses more bytes than needed')
        return value
      }
    }
    throw new ProtocolViolation('MQTT5 1.5.5', 'variable byte integer longer than 4 bytes')
  }

  binary(): Buffer {
    const length = this.uint16()
    this.#need(length)
    const value = this.bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return value
  }

  /** UTF-8 encoded string of section 1.5.3 (5.0: 1.5.4). */
  string(): string {
    const raw = this.binary()
    if (!isUtf8(raw)) throw new ProtocolViolation('MQTT-1.5.3-1', 'string is not well-formed UTF-8')
    const text = raw.toString('utf8')
    if (FORBIDDEN.test(text)) {
      throw new ProtocolViolation('MQTT-1.5.3-2', 'string holds NUL, a control character or a non-character')
    }
    return text
  }

  /** A view of the next `length` bytes as a reader of its own; used for property blocks. */
  part(length: number): ByteReader {
    this.#need(length)
    const part = new ByteReader(this.bytes, this.#at, this.#at + length)
    this.#at += length
    return part
  }

  rest(): Buffer {
    const value = this.bytes.subarray(this.#at, this.end)
    this.#at = this.end
    return value
  }

  /** Nothing may stand behind the last field: excess bytes hide a second meaning. */
  finish(clause: string): void {
    if (this.left > 0) throw new ProtocolViolation(clause, 'bytes after the last field')
  }

  #need(length: number): void {
    if (this.#at + length > this.end) {
      throw new ProtocolViolation(
        'MQTT 2.2.3',
        'a field passes the end of its packet',
        REASON.malformedPacket,
      )
    }
  }
}

// Section 1.5.3 lets a receiver close on U+0001–001F, U+007F–009F and the non-characters; NUL it must.
// Lone surrogates never get here: they are not well-formed UTF-8.
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u

/** Remaining Length and 5.0 Variable Byte Integer, at most 268 435 455. */
export function encodeVarint(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(varintLength(value))
  writeVarint(bytes, 0, value)
  return bytes
}

export function encodeUint16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes[0] = value >> 8
  bytes[1] = value
  return bytes
}

/** A length-prefixed string or binary field. */
export function encodeField(value: string | Buffer): Buffer {
  const length = typeof value === 'string' ? Buffer.byteLength(value, 'utf8') : value.length
  const bytes = Buffer.allocUnsafe(2 + length)
  bytes[0] = length >> 8
  bytes[1] = length
  if (typeof value === 'string') bytes.write(value, 2, length, 'utf8')
  else value.copy(bytes, 2)
  return bytes
}

/** A whole packet from its first byte and the parts of its body, in one piece of memory. */
export function encodePacket(first: number, ...parts: Buffer[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  const packet = Buffer.allocUnsafe(1 + varintLength(length) + length)
  packet[0] = first
  let at = writeVarint(packet, 1, length)
  for (const part of parts) at += part.copy(packet, at)
  return packet
}

/** A packet of nothing but a packet identifier: there is one for every publication. */
export function encodeIdentifierPacket(first: number, packetId: number): Buffer {
  const packet = Buffer.allocUnsafe(4)
  packet[0] = first
  packet[1] = 2
  packet[2] = packetId >> 8
  packet[3] = packetId
  return packet
}

function varintLength(value: number): number {
  if (value < 128) return 1
  if (value < 16_384) return 2
  return value < 2_097_152 ? 3 : 4
}

/** Returns the index behind it. */
function writeVarint(bytes: Buffer, at: number, value: number): number {
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  bytes[at++] = value
  return at
}

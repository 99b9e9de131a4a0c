/**
 * A reader of the protobuf wire format, for messages that are described as a table of fields. It is as lenient as
 * the format wants: fields that a table does not name are skipped, also those of another wire type than named, and
 * the last of a repeated field counts. Groups are refused. Tables cannot name each other in a circle, so how deep a
 * message is read is known from its table, whatever the bytes are.
 */

/** Bytes that are no message. The only thing that this file throws. */
export class ProtobufError extends Error {
  override name = 'ProtobufError'
}

export interface Field<Value> {
  number: number
  wireType: number
  read(cursor: Cursor): Value
}

type Fields = Record<string, Field<unknown>>

/** Every field may be absent: in this format an absent number is as good as a zero. */
export type MessageOf<F extends Fields> = { [Name in keyof F]?: F[Name] extends Field<infer V> ? V : never }

export interface MessageType<Message> {
  /** @throws ProtobufError, and nothing else. What `bytes` fields hold are views of `bytes`. */
  read(bytes: Buffer): Message
  readUntil(cursor: Cursor, end: number): Message
}

interface Cursor {
  bytes: Buffer
  at: number
  end: number
}

export function defineMessage<F extends Fields>(fields: F): MessageType<MessageOf<F>> {
  const entries = Object.entries(fields)
  const byNumber: ({ name: string; field: Field<unknown> } | undefined)[] = Array.from({
    length: 1 + Math.max(...entries.map(([, { number }]) => number)),
  })
  for (const [name, field] of entries) byNumber[field.number] = { name, field }

  function readUntil(cursor: Cursor, end: number): MessageOf<F> {
    const message: Record<string, unknown> = {}
    const outerEnd = cursor.end
    cursor.end = end
    while (cursor.at < end) {
      const tag = readSize(cursor)
      const number = tag >>> 3
      const wireType = tag & 7
      if (number === 0) throw new ProtobufError('field number 0')
      const known = byNumber[number]
      if (known?.field.wireType === wireType) message[known.name] = known.field.read(cursor)
      else skip(cursor, wireType)
    }
    cursor.end = outerEnd
    return message as MessageOf<F>
  }

  return {
    read(bytes) {
      if (bytes.length > MESSAGE_BYTES_MAX) throw new ProtobufError('message too large')
      return readUntil({ bytes, at: 0, end: bytes.length }, bytes.length)
    },
    readUntil,
  }
}

/** A radio packet is below 512 bytes and its envelope not much larger; this leaves room for what is to come. */
export const MESSAGE_BYTES_MAX = 4_096

const VARINT = 0
const FIXED_64 = 1
const LENGTH_DELIMITED = 2
const FIXED_32 = 5

/** The low 32 bits, unsigned; enums too. */
export const uint32 = (number: number): Field<number> => ({ number, wireType: VARINT, read: readVarint })

/** The low 32 bits, signed: negative ones come in ten bytes. */
export const int32 = (number: number): Field<number> => ({
  number,
  wireType: VARINT,
  read: (cursor) => readVarint(cursor) | 0,
})

/** Zigzag: 0, -1, 1, -2, … */
export const sint32 = (number: number): Field<number> => ({
  number,
  wireType: VARINT,
  read(cursor) {
    const value = readVarint(cursor)
    return (value >>> 1) ^ -(value & 1)
  },
})

export const bool = (number: number): Field<boolean> => ({
  number,
  wireType: VARINT,
  read: (cursor) => readVarint(cursor) !== 0,
})

export const fixed32 = (number: number): Field<number> => ({
  number,
  wireType: FIXED_32,
  read: (cursor) => cursor.bytes.readUInt32LE(take(cursor, 4)),
})

export const sfixed32 = (number: number): Field<number> => ({
  number,
  wireType: FIXED_32,
  read: (cursor) => cursor.bytes.readInt32LE(take(cursor, 4)),
})

/** May be NaN or infinite. */
export const float = (number: number): Field<number> => ({
  number,
  wireType: FIXED_32,
  read: (cursor) => cursor.bytes.readFloatLE(take(cursor, 4)),
})

/** A view, not a copy. */
export const bytes = (number: number): Field<Buffer> => ({
  number,
  wireType: LENGTH_DELIMITED,
  read(cursor) {
    const length = readSize(cursor)
    const start = take(cursor, length)
    return cursor.bytes.subarray(start, start + length)
  },
})

/** Bytes that are no UTF-8 become U+FFFD: small devices cut names in the middle of a character. */
export const string = (number: number): Field<string> => ({
  number,
  wireType: LENGTH_DELIMITED,
  read(cursor) {
    const length = readSize(cursor)
    const start = take(cursor, length)
    return cursor.bytes.toString('utf8', start, start + length)
  },
})

export const message = <Message>(number: number, type: MessageType<Message>): Field<Message> => ({
  number,
  wireType: LENGTH_DELIMITED,
  read(cursor) {
    const length = readSize(cursor)
    const start = take(cursor, length)
    cursor.at = start
    return type.readUntil(cursor, start + length)
  },
})

function skip(cursor: Cursor, wireType: number): void {
  switch (wireType) {
    case VARINT:
      readVarint(cursor)
      return
    case FIXED_64:
      take(cursor, 8)
      return
    case LENGTH_DELIMITED:
      take(cursor, readSize(cursor))
      return
    case FIXED_32:
      take(cursor, 4)
      return
    default:
      throw new ProtobufError(`wire type ${wireType}`)
  }
}

/** Moves on by `length` and returns where it was. */
function take(cursor: Cursor, length: number): number {
  const start = cursor.at
  if (length > cursor.end - start) throw new ProtobufError('a field passes the end of its message')
  cursor.at = start + length
  return start
}

/** The low 32 bits of a varint of up to ten bytes. */
function readVarint(cursor: Cursor): number {
  let value = 0
  for (let i = 0; i < 10; i++) {
    const byte = readByte(cursor)
    if (i < 5) value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) return value >>> 0
  }
  throw new ProtobufError('varint longer than ten bytes')
}

/** A tag or a length: one that does not fit 32 bits is none. */
function readSize(cursor: Cursor): number {
  let value = 0
  for (let i = 0; i < 5; i++) {
    const byte = readByte(cursor)
    if (i === 4 && byte > 0x0f) break
    value += (byte & 0x7f) * 128 ** i
    if (byte < 0x80) return value
  }
  throw new ProtobufError('tag or length beyond 32 bits')
}

function readByte(cursor: Cursor): number {
  if (cursor.at >= cursor.end) throw new ProtobufError('a field passes the end of its message')
  return cursor.bytes[cursor.at++] as number
}

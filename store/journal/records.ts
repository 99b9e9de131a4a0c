import { setImmediate } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

/**
 * How an entry lies in a segment file, integers little-endian:
 *
 *     4 bytes  length of the body
 *     4 bytes  CRC-32 of number and body
 *     6 bytes  number of the entry, growing by one
 *     body     JSON, UTF-8
 */
const HEADER_BYTES = 14
const NUMBER_AT = 8

/** An SOS is at most PACKET_BYTES_MAX in Base64 with its identity; a length above this is damage. */
const BODY_BYTES_MAX = 32 * 1024 * 1024

export interface NumberedEntry<Entry> {
  number: number
  entry: Entry
}

export function encodeRecord(number: number, entry: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(entry))
  const record = Buffer.alloc(HEADER_BYTES + body.length)
  record.writeUInt32LE(body.length, 0)
  record.writeUIntLE(number, NUMBER_AT, 6)
  body.copy(record, HEADER_BYTES)
  record.writeUInt32LE(crc32(record.subarray(NUMBER_AT)), 4)
  return record
}

export interface Decoded<Entry> {
  /** What could be read, in its order. */
  entries: NumberedEntry<Entry>[]
  damagedBytes: number
}

/** The records of a segment, at once: for a start, when nobody else waits. */
export function decodeRecords<Entry>(bytes: Buffer): Decoded<Entry> {
  const steps = decodeInSteps<Entry>(bytes)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** The same while others have their turns of the event loop. */
export async function decodeRecordsInTurns<Entry>(bytes: Buffer): Promise<Decoded<Entry>> {
  const steps = decodeInSteps<Entry>(bytes)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    await setImmediate()
  }
}

function* decodeInSteps<Entry>(bytes: Buffer): Generator<undefined, Decoded<Entry>, undefined> {
  const entries: NumberedEntry<Entry>[] = []
  let damagedBytes = 0
  let stepAt = 0
  for (let at = 0; at < bytes.length;) {
    const record = recordAt(bytes, at)
    if (record) {
      const number = record.readUIntLE(NUMBER_AT, 6)
      entries.push({ number, entry: JSON.parse(record.toString('utf8', HEADER_BYTES)) as Entry })
      at += record.length
    } else {
      // What stands behind the damage is whole again, and somebody may have been promised it.
      damagedBytes++
      at++
    }
    if (at - stepAt >= STEP_BYTES) {
      stepAt = at
      yield
    }
  }
  return { entries, damagedBytes }
}

function recordAt(bytes: Buffer, at: number): Buffer | null {
  if (bytes.length - at < HEADER_BYTES) return null
  const length = bytes.readUInt32LE(at)
  if (length === 0 || length > BODY_BYTES_MAX || bytes.length - at - HEADER_BYTES < length) return null
  if (!mayBeJson(bytes, at + HEADER_BYTES, length)) return null
  const record = bytes.subarray(at, at + HEADER_BYTES + length)
  return record.readUInt32LE(4) === crc32(record.subarray(NUMBER_AT)) ? record : null
}

/** Where damage is passed over byte by byte, a checksum of megabytes at each of them would take minutes. */
function mayBeJson(bytes: Buffer, from: number, length: number): boolean {
  const end = ENDS[bytes[from] as number]
  return end === undefined ? length <= SCALAR_BYTES_MAX : bytes[from + length - 1] === end
}

/** First byte of an object, an array or a string → its last. */
const ENDS: Readonly<Record<number, number>> = { 0x7b: 0x7d, 0x5b: 0x5d, 0x22: 0x22 }
/** No number is longer, nor are the words. */
const SCALAR_BYTES_MAX = 32
/** About a millisecond of JSON. */
const STEP_BYTES = 64 * 1024

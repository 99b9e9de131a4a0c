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

/** What could be read of a segment, in its order, and how many bytes could not. */
export function decodeRecords<Entry>(bytes: Buffer): {
  entries: NumberedEntry<Entry>[]
  damagedBytes: number
} {
  const entries: NumberedEntry<Entry>[] = []
  let damagedBytes = 0
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
  }
  return { entries, damagedBytes }
}

function recordAt(bytes: Buffer, at: number): Buffer | null {
  if (bytes.length - at < HEADER_BYTES) return null
  const length = bytes.readUInt32LE(at)
  if (length === 0 || length > BODY_BYTES_MAX || bytes.length - at - HEADER_BYTES < length) return null
  const record = bytes.subarray(at, at + HEADER_BYTES + length)
  return record.readUInt32LE(4) === crc32(record.subarray(NUMBER_AT)) ? record : null
}

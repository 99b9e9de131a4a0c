import * as fc from 'fast-check'
import t from 'tap'
import { decodeRecords, decodeRecordsInTurns, encodeRecord } from '../../store/journal/records.js'
import type { NumberedEntry } from '../../store/journal/records.js'

const entries = fc.array(fc.jsonValue(), { minLength: 1, maxLength: 8 })
const numbered = entries.map((values) => values.map((entry, i) => ({ number: i + 1, entry })))

t.test('what was written is read again, in its order', async (t) => {
  fc.assert(
    fc.property(numbered, (written) => {
      const { entries, damagedBytes } = decodeRecords(encodeAll(written))
      t.equal(JSON.stringify(entries), JSON.stringify(written))
      t.equal(damagedBytes, 0)
    }),
    { numRuns: 50 },
  )
  const large = { number: 2 ** 48 - 1, entry: 'é'.repeat(100_000) }
  t.strictSame(decodeRecords(encodeAll([large])).entries, [large], 'the largest number and a long body')
})

t.test('a file that ends anywhere keeps every record before its end', async (t) => {
  const records = sampleRecords()
  const bytes = Buffer.concat(records)
  const ends = records.map((_, i) => Buffer.concat(records.slice(0, i + 1)).length)
  for (let length = 0; length <= bytes.length; length++) {
    const whole = ends.filter((end) => end <= length).length
    const { entries, damagedBytes } = decodeRecords<{ n: number }>(bytes.subarray(0, length))
    t.strictSame(
      entries.map(({ number }) => number),
      [1, 2, 3, 4].slice(0, whole),
      `cut at ${length}`,
    )
    t.equal(damagedBytes, length - (ends[whole - 1] ?? 0))
  }
})

t.test('a byte that changed anywhere costs its own record only', async (t) => {
  const records = sampleRecords()
  const bytes = Buffer.concat(records)
  let start = 0
  for (const [index, { length }] of records.entries()) {
    for (let at = start; at < start + length; at++) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const changed = Buffer.from(bytes)
        changed.writeUInt8(bytes.readUInt8(at) ^ mask, at)
        const { entries, damagedBytes } = decodeRecords<{ n: number }>(changed)
        t.strictSame(
          entries.map(({ entry }) => entry.n),
          [0, 1, 2, 3].filter((n) => n !== index),
          `byte ${at} ^ ${mask}`,
        )
        t.equal(damagedBytes, length)
      }
    }
    start += length
  }
})

t.test('whatever stands between records costs none of them', async (t) => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
  fc.assert(
    fc.property(numbered, bytes, bytes, (written, before, behind) => {
      const { entries, damagedBytes } = decodeRecords(
        Buffer.concat([before, ...written.flatMap((one) => [encodeAll([one]), behind])]),
      )
      t.equal(JSON.stringify(entries), JSON.stringify(written))
      t.equal(damagedBytes, before.length + behind.length * written.length)
    }),
    { numRuns: 200 },
  )
})

t.test('no bytes, zeros, and a length that leads far out of the file are no records', async (t) => {
  t.strictSame(decodeRecords(Buffer.alloc(0)), { entries: [], damagedBytes: 0 })
  t.strictSame(decodeRecords(Buffer.alloc(100_000)), { entries: [], damagedBytes: 100_000 })
  const [first, ...others] = sampleRecords() as [Buffer, ...Buffer[]]
  for (const length of [0, 1, first.length, 100_000, 32 * 1024 * 1024, 0xffff_ffff]) {
    first.writeUInt32LE(length)
    const { entries, damagedBytes } = decodeRecords<{ n: number }>(Buffer.concat([first, ...others]))
    t.strictSame(
      entries.map(({ entry }) => entry.n),
      [1, 2, 3],
      `length ${length}`,
    )
    t.equal(damagedBytes, first.length)
  }
})

t.test('a large damaged file is read to its end while others have their turns', async (t) => {
  const record = encodeRecord(1, { text: 'help '.repeat(50) })
  const bytes = Buffer.concat(Array.from({ length: 8_000 }, () => record))
  const damaged = Buffer.concat([bytes, Buffer.alloc(1024 * 1024, Buffer.of(0, 0, 1)), bytes])
  let turns = 0
  let isOver = false
  function count() {
    turns++
    if (!isOver) setImmediate(count)
  }
  count()
  const found = await decodeRecordsInTurns(damaged)
  isOver = true
  t.ok(turns > 50, `${turns} turns`)
  t.equal(found.entries.length, 16_000)
  t.equal(found.damagedBytes, 1024 * 1024)
  t.strictSame(found, decodeRecords(damaged))
})

function sampleRecords(): Buffer[] {
  return [0, 1, 2, 3].map((n) => encodeRecord(n + 1, { n, text: 'help '.repeat(n) }))
}

function encodeAll(written: NumberedEntry<unknown>[]): Buffer {
  return Buffer.concat(written.map(({ number, entry }) => encodeRecord(number, entry)))
}

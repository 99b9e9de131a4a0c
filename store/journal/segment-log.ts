import { mkdirSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { decodeRecordsInTurns, encodeRecord } from './records.js'
import type { NumberedEntry } from './records.js'
import {
  appendDone,
  doneFile,
  fileName,
  findSegments,
  readUnread,
  reasonOf,
  syncDirectory,
} from './segment-files.js'
import type { Found, Segment } from './segment-files.js'

export interface SegmentLog<Entry> {
  /** Oldest first; the last may still grow. */
  readonly segments: readonly Segment[]
  readonly bytes: number
  readonly depth: number
  /** Files, without their directory, that could not be read when the log was opened or last time. */
  readonly unreadable: { file: string; reason: string }[]
  /** Whether `readAgain` has something to try, also where an operator has taken a file away to mend it. */
  readonly awaitsFiles: boolean
  /** Tries what could not be read when the log was opened, and says what came of it. One call at a time. */
  readAgain(): Promise<Found[]>
  /** @throws when the entry is not on disk: it was promised to nobody. */
  append(entry: Entry): Promise<void>
  /** Pending entries of one segment in their order. @throws when the file cannot be read. */
  read(segment: Segment): Promise<NumberedEntry<Entry>[]>
  /**
   * Takes entries out; a segment without any is removed. A crash may bring back what a full disk did not let us
   * note, so whatever is done with an entry must have its effect once.
   */
  markDone(segment: Segment, numbers: number[]): Promise<void>
  /** Removes the oldest segment, whatever it holds, and says how many entries went. */
  dropOldest(): Promise<number>
  /** Waits for what is under way. */
  stop(): Promise<void>
}

export interface SegmentLogOptions<Entry> {
  directory: string
  /** Files of the log are named `<name>-<number>.log`. */
  name: string
  /** A segment that is larger is followed by a new one: what is removed together. */
  segmentBytes: number
  /** Beyond this the oldest segment goes, whatever it holds; none by default. */
  bytesMax?: number
  /** How many entries went so. */
  onDropped?: (count: number) => void
  /**
   * Called for every pending entry with its number: for those found on disk, then for those appended, and for those
   * of a file that can be read again.
   */
  onPending?: (entry: Entry, number: number) => void
}

/**
 * A log in files, for entries that have to survive a crash and leave again in order. An append resolves after
 * fdatasync; appends that wait together share one. Damage costs the damaged records only.
 *
 * @throws when the directory cannot be made or read.
 */
export function openSegmentLog<Entry>(options: SegmentLogOptions<Entry>): {
  log: SegmentLog<Entry>
  damage: Found[]
} {
  const { directory, name, segmentBytes, bytesMax = Infinity, onDropped, onPending } = options
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { segments, damage, unread, lastNumber } = findSegments<Entry>(directory, name, onPending)
  let nextNumber = lastNumber + 1
  let writer: { segment: Segment; handle: FileHandle } | null = null
  let waiting: Waiting<Entry>[] = []
  let lastTurn: Promise<unknown> = Promise.resolve()

  /** Files change in one place at a time. */
  function inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = lastTurn.then(task)
    lastTurn = result.catch(() => {})
    return result
  }

  async function writeWaiting(): Promise<void> {
    const batch = waiting
    waiting = []
    let done = 0
    try {
      while (done < batch.length) {
        const count = await writeSome(batch.slice(done).map(({ entry }) => entry))
        for (const { resolve } of batch.slice(done, done + count)) resolve()
        done += count
      }
    } catch (error) {
      await giveUpWriter()
      for (const { reject } of batch.slice(done)) reject(error)
    }
  }

  /** As many as the segment has room for, and at least one; how many that were. */
  async function writeSome(entries: Entry[]): Promise<number> {
    if (writer && writer.segment.bytes >= segmentBytes) await closeWriter()
    const records: Buffer[] = []
    const firstNumber = nextNumber
    for (let size = writer?.segment.bytes ?? 0; size < segmentBytes && records.length < entries.length;) {
      const record = encodeRecord(nextNumber++, entries[records.length])
      records.push(record)
      size += record.length
    }
    const bytes = Buffer.concat(records)
    while (segments.length > 0 && log.bytes + bytes.length > bytesMax) onDropped?.(await removeOldest())
    writer ??= await openWriter()
    const { segment, handle } = writer
    // A disk that fills up takes a part.
    for (let at = 0; at < bytes.length;)
      at += (await handle.write(bytes, at, bytes.length - at, segment.bytes + at)).bytesWritten
    await handle.datasync()
    segment.bytes += bytes.length
    for (const [index, entry] of entries.slice(0, records.length).entries()) {
      segment.pending.add(firstNumber + index)
      onPending?.(entry, firstNumber + index)
    }
    return records.length
  }

  async function openWriter() {
    const file = join(directory, fileName(name, nextNumber++))
    const handle = await open(file, 'wx', 0o600)
    try {
      await syncDirectory(directory)
    } catch (error) {
      await handle.close()
      await rm(file, { force: true })
      throw error
    }
    const segment: Segment = { file, bytes: 0, pending: new Set(), isDamaged: false }
    segments.push(segment)
    return { segment, handle }
  }

  async function closeWriter(): Promise<void> {
    const closing = writer
    writer = null
    await closing?.handle.close()
  }

  /** After a failed write: half of it may be on disk, so nothing is written behind it. */
  async function giveUpWriter(): Promise<void> {
    if (!writer) return
    const { segment, handle } = writer
    writer = null
    // What fails here leaves the half; the next start finds it and passes over it.
    await handle.truncate(segment.bytes).catch(() => {})
    await handle.close().catch(() => {})
    if (segment.pending.size === 0) await remove(segment).catch(() => {})
  }

  async function remove(segment: Segment): Promise<void> {
    if (segment === writer?.segment) await closeWriter()
    if (segment.isDamaged)
      await rename(segment.file, `${segment.file}.damaged`) // for whoever wants to look at it
    else await rm(segment.file, { force: true })
    // Listed until its room is free: whoever waits for room finds something to wait for.
    const index = segments.indexOf(segment)
    if (index >= 0) segments.splice(index, 1)
    await rm(doneFile(segment.file), { force: true })
  }

  async function removeOldest(): Promise<number> {
    const [oldest] = segments
    if (!oldest) return 0
    const dropped = oldest.pending.size
    oldest.pending.clear()
    await remove(oldest)
    return dropped
  }

  const log: SegmentLog<Entry> = {
    segments,
    get bytes() {
      return segments.reduce((sum, { bytes }) => sum + bytes, 0)
    },
    get depth() {
      return segments.reduce((sum, { pending }) => sum + pending.size, 0)
    },
    get unreadable() {
      return [...unread, ...segments].flatMap(({ file, reason }) =>
        reason ? [{ file: basename(file), reason }] : [],
      )
    },
    get awaitsFiles() {
      return unread.length > 0
    },
    async readAgain() {
      const found: Found[] = []
      // Not in turn with what is appended: a disk that is slow here may take that.
      for (const one of unread.slice()) {
        const taken = await readUnread<Entry>(one)
        if (!taken) continue
        unread.splice(unread.indexOf(one), 1)
        if (taken.segment) {
          const next = segments.findIndex(({ file }) => file > one.file)
          segments.splice(next < 0 ? segments.length : next, 0, taken.segment)
        }
        for (const { entry, number } of taken.pending) onPending?.(entry, number)
        found.push(taken.found)
      }
      return found
    },
    append: (entry) =>
      new Promise((resolve, reject) => {
        waiting.push({ entry, resolve, reject })
        if (waiting.length === 1) void inTurn(writeWaiting)
      }),
    async read(segment) {
      const bytes = (await readNoting(segment)).subarray(0, segment.bytes)
      const { entries } = await decodeRecordsInTurns<Entry>(bytes)
      return entries.filter(({ number }) => segment.pending.has(number))
    },
    markDone: (segment, numbers) =>
      inTurn(async () => {
        for (const number of numbers) segment.pending.delete(number)
        if (segment.pending.size === 0) return remove(segment)
        // A full disk must not keep us from emptying it.
        await appendDone(segment.file, numbers).catch(() => {})
      }),
    dropOldest: () => inTurn(removeOldest),
    stop: () => inTurn(closeWriter),
  }
  return { log, damage }
}

async function readNoting(segment: Segment): Promise<Buffer> {
  try {
    const bytes = await readFile(segment.file)
    delete segment.reason
    return bytes
  } catch (error) {
    segment.reason = reasonOf(error)
    throw error
  }
}

interface Waiting<Entry> {
  entry: Entry
  resolve: () => void
  reject: (error: unknown) => void
}

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeRecords, encodeRecord } from './records.js'
import type { NumberedEntry } from './records.js'

/** A file of the log. Files are named by the number of their first entry, so their order is the log's. */
export interface Segment {
  file: string
  /** Bytes that are on disk. */
  bytes: number
  /** Numbers of entries that are not done. */
  pending: Set<number>
  isDamaged: boolean
}

/** What an old segment was like when it was opened. */
export interface Damage {
  file: string
  entries: number
  damagedBytes: number
}

export interface SegmentLog<Entry> {
  /** Oldest first; the last may still grow. */
  readonly segments: readonly Segment[]
  readonly bytes: number
  readonly depth: number
  /** @throws when the entry is not on disk: it was promised to nobody. */
  append(entry: Entry): Promise<void>
  /** Pending entries of one segment in their order. @throws when the file cannot be read. */
  read(segment: Segment): Promise<NumberedEntry<Entry>[]>
  /** Takes entries out for good; a segment without any is removed. */
  markDone(segment: Segment, numbers: number[]): Promise<void>
  /** Removes the oldest segment, whatever it holds, and says what went. */
  dropOldest(): Promise<Entry[]>
  /** Waits for what is under way. */
  stop(): Promise<void>
}

export interface SegmentLogOptions<Entry> {
  directory: string
  /** Files of the log are named `<name>-<number>.log`. */
  name: string
  /** A segment that is larger is followed by a new one: what is removed together. */
  segmentBytes: number
  /** Called for every pending entry, first for those found on disk, then for those appended. */
  onPending?: (entry: Entry) => void
}

/**
 * A log in files, for entries that have to survive a crash and leave again in order. An append resolves after
 * fdatasync; appends that wait together share one. Damage costs the damaged records only.
 *
 * @throws when the directory cannot be made or read.
 */
export function openSegmentLog<Entry>(options: SegmentLogOptions<Entry>): {
  log: SegmentLog<Entry>
  damage: Damage[]
} {
  const { directory, name, segmentBytes, onPending } = options
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { segments, damage, lastNumber } = findSegments<Entry>(directory, name, onPending)
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
    try {
      await write(batch.map(({ entry }) => entry))
      for (const { resolve } of batch) resolve()
    } catch (error) {
      await giveUpWriter()
      for (const { reject } of batch) reject(error)
    }
  }

  async function write(entries: Entry[]): Promise<void> {
    if (writer && writer.segment.bytes >= segmentBytes) await closeWriter()
    writer ??= await openWriter()
    const { segment, handle } = writer
    const numbered = entries.map((entry) => ({ number: nextNumber++, entry }))
    const bytes = Buffer.concat(numbered.map(({ number, entry }) => encodeRecord(number, entry)))
    // A disk that fills up takes a part.
    for (let at = 0; at < bytes.length;)
      at += (await handle.write(bytes, at, bytes.length - at, segment.bytes + at)).bytesWritten
    await handle.datasync()
    segment.bytes += bytes.length
    for (const { number, entry } of numbered) {
      segment.pending.add(number)
      onPending?.(entry)
    }
  }

  async function openWriter() {
    const file = join(directory, fileName(name, nextNumber++))
    const handle = await open(file, 'wx', 0o600)
    try {
      await syncDirectory(directory)
    } catch (error) {
      await handle.close()
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
    const closing = writer
    try {
      await closing?.handle.truncate(closing.segment.bytes)
      await closeWriter()
      if (closing?.segment.pending.size === 0) await remove(closing.segment)
    } catch {
      writer = null // then the next start finds the half and passes over it
    }
  }

  async function remove(segment: Segment): Promise<void> {
    if (segment === writer?.segment) await closeWriter()
    const index = segments.indexOf(segment)
    if (index >= 0) segments.splice(index, 1)
    if (segment.isDamaged)
      await rename(segment.file, `${segment.file}.damaged`) // for whoever wants to look at it
    else await rm(segment.file, { force: true })
    await rm(doneFile(segment.file), { force: true })
  }

  const log: SegmentLog<Entry> = {
    segments,
    get bytes() {
      return segments.reduce((sum, { bytes }) => sum + bytes, 0)
    },
    get depth() {
      return segments.reduce((sum, { pending }) => sum + pending.size, 0)
    },
    append: (entry) =>
      new Promise((resolve, reject) => {
        waiting.push({ entry, resolve, reject })
        if (waiting.length === 1) void inTurn(writeWaiting)
      }),
    async read(segment) {
      const bytes = (await readFile(segment.file)).subarray(0, segment.bytes)
      return decodeRecords<Entry>(bytes).entries.filter(({ number }) => segment.pending.has(number))
    },
    markDone: (segment, numbers) =>
      inTurn(async () => {
        for (const number of numbers) segment.pending.delete(number)
        if (segment.pending.size === 0) await remove(segment)
        else await appendDone(segment.file, numbers)
      }),
    dropOldest: () =>
      inTurn(async () => {
        const [oldest] = segments
        if (!oldest) return []
        const dropped = await log.read(oldest)
        oldest.pending.clear()
        await remove(oldest)
        return dropped.map(({ entry }) => entry)
      }),
    stop: () => inTurn(closeWriter),
  }
  return { log, damage }
}

interface Waiting<Entry> {
  entry: Entry
  resolve: () => void
  reject: (error: unknown) => void
}

function findSegments<Entry>(
  directory: string,
  name: string,
  onPending: ((entry: Entry) => void) | undefined,
): { segments: Segment[]; damage: Damage[]; lastNumber: number } {
  const segments: Segment[] = []
  const damage: Damage[] = []
  let lastNumber = 0
  const files = readdirSync(directory).filter((file) => SEGMENT_FILE.exec(file)?.[1] === name)
  for (const file of files.toSorted()) {
    const path = join(directory, file)
    const bytes = readFileSync(path)
    const { entries, damagedBytes } = decodeRecords<Entry>(bytes)
    if (damagedBytes > 0) damage.push({ file, entries: entries.length, damagedBytes })
    const done = readDone(path)
    const pending = entries.filter(({ number }) => !done.has(number))
    lastNumber = Math.max(lastNumber, Number(SEGMENT_FILE.exec(file)?.[2]), entries.at(-1)?.number ?? 0)
    if (pending.length === 0) {
      if (damagedBytes > 0) renameSync(path, `${path}.damaged`)
      else rmSync(path, { force: true })
      rmSync(doneFile(path), { force: true })
      continue
    }
    segments.push({
      file: path,
      bytes: bytes.length,
      pending: new Set(pending.map(({ number }) => number)),
      isDamaged: damagedBytes > 0,
    })
    for (const { entry } of pending) onPending?.(entry)
  }
  return { segments, damage, lastNumber }
}

const SEGMENT_FILE = /^([a-z]+)-(\d{15})\.log$/

function fileName(name: string, number: number): string {
  return `${name}-${String(number).padStart(15, '0')}.log`
}

/** Beside a segment of which a part is done: the numbers of that part, a line each. */
function doneFile(file: string): string {
  return file.replace(/\.log$/, '.done')
}

function readDone(file: string): Set<number> {
  try {
    return new Set(readFileSync(doneFile(file), 'utf8').split('\n').map(Number))
  } catch {
    return new Set() // nothing of it is done
  }
}

async function appendDone(file: string, numbers: number[]): Promise<void> {
  const handle = await open(doneFile(file), 'a', 0o600)
  try {
    await handle.write(`${numbers.join('\n')}\n`)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** A new file is only safe from a loss of power once its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

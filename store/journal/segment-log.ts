import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
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
  /** Those that could be read. */
  entries: number
  damagedBytes?: number
  /** Why nothing of it could be read; the file stays as it is. */
  reason?: string
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
        if (segment.pending.size === 0) return remove(segment)
        // A full disk must not keep us from emptying it.
        await appendDone(segment.file, numbers).catch(() => {})
      }),
    dropOldest: () =>
      inTurn(async () => {
        const [oldest] = segments
        if (!oldest) return 0
        const dropped = oldest.pending.size
        oldest.pending.clear()
        await remove(oldest)
        return dropped
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
  const files = readdirSync(directory).filter((file) => LOG_FILE.exec(file)?.[1] === name)
  // What was set aside counts too: its name is not given again.
  for (const file of files) lastNumber = Math.max(lastNumber, Number(LOG_FILE.exec(file)?.[2]))
  for (const file of files.filter((found) => found.endsWith('.log')).toSorted()) {
    const path = join(directory, file)
    const found = readSegment<Entry>(path)
    if ('code' in found) {
      damage.push({ file, entries: 0, reason: found.code })
      continue
    }
    const { entries, damagedBytes, bytes } = found
    if (damagedBytes > 0) damage.push({ file, entries: entries.length, damagedBytes })
    const done = readDone(path)
    const pending = entries.filter(({ number }) => !done.has(number))
    lastNumber = Math.max(lastNumber, entries.at(-1)?.number ?? 0)
    if (pending.length === 0) {
      if (damagedBytes > 0) renameSync(path, `${path}.damaged`)
      else rmSync(path, { force: true })
      continue
    }
    segments.push({
      file: path,
      bytes,
      pending: new Set(pending.map(({ number }) => number)),
      isDamaged: damagedBytes > 0,
    })
    for (const { entry } of pending) onPending?.(entry)
  }
  // A crash in the middle of a removal leaves these, and they would be read with another segment of this name.
  for (const file of files.filter((found) => found.endsWith('.done')))
    if (!existsSync(join(directory, file.replace(/\.done$/, '.log')))) rmSync(join(directory, file))
  return { segments, damage, lastNumber }
}

function readSegment<Entry>(path: string) {
  try {
    const bytes = readFileSync(path)
    return { ...decodeRecords<Entry>(bytes), bytes: bytes.length }
  } catch (error) {
    return { code: (error as NodeJS.ErrnoException).code ?? (error as Error).message }
  }
}

const LOG_FILE = /^([a-z]+)-(\d{15})\.(?:log|done|log\.damaged)$/

function fileName(name: string, number: number): string {
  return `${name}-${String(number).padStart(15, '0')}.log`
}

/** Beside a segment of which a part is done: the numbers of that part, as records, because half a number is another. */
function doneFile(file: string): string {
  return file.replace(/\.log$/, '.done')
}

function readDone(file: string): Set<number> {
  try {
    const { entries } = decodeRecords<number[]>(readFileSync(doneFile(file)))
    return new Set(entries.flatMap(({ entry }) => entry))
  } catch {
    return new Set() // nothing of it is done
  }
}

async function appendDone(file: string, numbers: number[]): Promise<void> {
  const handle = await open(doneFile(file), 'a', 0o600)
  try {
    await handle.write(encodeRecord(0, numbers))
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

import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { lstat, open, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { decodeRecords, decodeRecordsInTurns, encodeRecord } from './records.js'
import type { Decoded, NumberedEntry } from './records.js'

/** A file of the log. Files are named by the number of their first entry, so their order is the log's. */
export interface Segment {
  file: string
  /** Bytes that are on disk. */
  bytes: number
  /** Numbers of entries that are not done. */
  pending: Set<number>
  isDamaged: boolean
  /** Why the last try to read it failed. */
  reason?: string
}

/** A file of which nothing could be read when the log was opened; it stays as it is. */
export interface Unread {
  file: string
  /** Null while there is no such file. */
  reason: string | null
}

/** What could be read of an old segment. */
export interface Found {
  /** Without its directory. */
  file: string
  /** How many entries could be read. */
  entries: number
  damagedBytes: number
}

/** An old segment as it was read; none where nothing of it is pending: such a file is removed or set aside. */
interface TakenIn<Entry> {
  segment: Segment | null
  pending: NumberedEntry<Entry>[]
  lastNumber: number
  found: Found
}

/** The segments that hold something, oldest first; the rest is removed, set aside, or left for a later try. */
export function findSegments<Entry>(
  directory: string,
  name: string,
  onPending: ((entry: Entry, number: number) => void) | undefined,
): { segments: Segment[]; damage: Found[]; unread: Unread[]; lastNumber: number } {
  const segments: Segment[] = []
  const damage: Found[] = []
  const unread: Unread[] = []
  let lastNumber = 0
  const files = readdirSync(directory).filter((file) => LOG_FILE.exec(file)?.[1] === name)
  // What was set aside counts too: its name is not given again.
  for (const file of files) lastNumber = Math.max(lastNumber, numberOf(file))
  for (const file of files.filter((found) => found.endsWith('.log')).toSorted()) {
    const path = join(directory, file)
    try {
      const bytes = readFileSync(path)
      const taken = takeIn(path, bytes.length, decodeRecords<Entry>(bytes), readDone(path))
      if (taken.found.damagedBytes > 0) damage.push(taken.found)
      lastNumber = Math.max(lastNumber, taken.lastNumber)
      if (taken.segment) segments.push(taken.segment)
      for (const { entry, number } of taken.pending) onPending?.(entry, number)
    } catch (error) {
      unread.push({ file: path, reason: reasonOf(error) })
      // Nor are the numbers that may be in it.
      lastNumber = Math.max(lastNumber, numberOf(file) + ENTRIES_PER_FILE_MAX)
    }
  }
  // A crash in the middle of a removal leaves these, and they would be read with another segment of this name.
  const kept = new Set([...segments, ...unread].map(({ file }) => doneFile(file)))
  for (const path of files.filter((found) => found.endsWith('.done')).map((found) => join(directory, found)))
    if (!kept.has(path)) rmSync(path)
  return { segments, damage, unread, lastNumber }
}

/** Another try, which lets others have their turns: the disk may be slow to say that it cannot. */
export async function readUnread<Entry>(one: Unread): Promise<TakenIn<Entry> | null> {
  try {
    const bytes = await readFile(one.file)
    const done = await readFile(doneFile(one.file)).catch(() => Buffer.alloc(0))
    return takeIn(one.file, bytes.length, await decodeRecordsInTurns<Entry>(bytes), numbersIn(done))
  } catch (error) {
    const reason = reasonOf(error)
    // A link into nothing is there, and what it leads to may come back.
    one.reason = reason === 'ENOENT' && !(await isThere(one.file)) ? null : reason
    return null
  }
}

function takeIn<Entry>(
  path: string,
  bytes: number,
  { entries, damagedBytes }: Decoded<Entry>,
  done: Set<number>,
): TakenIn<Entry> {
  const isDamaged = damagedBytes > 0
  const pending = entries.filter(({ number }) => !done.has(number))
  const taken = {
    pending,
    lastNumber: entries.at(-1)?.number ?? 0,
    found: { file: basename(path), entries: entries.length, damagedBytes },
  }
  if (pending.length > 0) {
    const numbers = new Set(pending.map(({ number }) => number))
    return { ...taken, segment: { file: path, bytes, pending: numbers, isDamaged } }
  }
  if (isDamaged) renameSync(path, `${path}.damaged`)
  else rmSync(path, { force: true })
  return { ...taken, segment: null }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    return reasonOf(error) !== 'ENOENT'
  }
}

export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}

/** Far more than fit into a segment. */
const ENTRIES_PER_FILE_MAX = 1_000_000

const LOG_FILE = /^([a-z]+)-(\d{15})\.(?:log|done|log\.damaged)$/

function numberOf(file: string): number {
  return Number(LOG_FILE.exec(file)?.[2])
}

export function fileName(name: string, number: number): string {
  return `${name}-${String(number).padStart(15, '0')}.log`
}

/** Beside a segment of which a part is done: the numbers of that part, as records, because half a number is another. */
export function doneFile(file: string): string {
  return file.replace(/\.log$/, '.done')
}

function readDone(file: string): Set<number> {
  try {
    return numbersIn(readFileSync(doneFile(file)))
  } catch {
    return new Set() // nothing of it is done
  }
}

function numbersIn(done: Buffer): Set<number> {
  return new Set(decodeRecords<number[]>(done).entries.flatMap(({ entry }) => entry))
}

export async function appendDone(file: string, numbers: number[]): Promise<void> {
  const handle = await open(doneFile(file), 'a', 0o600)
  try {
    await handle.write(encodeRecord(0, numbers))
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** A new file is only safe from a loss of power once its directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

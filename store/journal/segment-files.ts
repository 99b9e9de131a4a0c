import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeRecords, encodeRecord } from './records.js'

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

/** The segments that hold something, oldest first; the rest is removed or set aside. */
export function findSegments<Entry>(
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

export function fileName(name: string, number: number): string {
  return `${name}-${String(number).padStart(15, '0')}.log`
}

/** Beside a segment of which a part is done: the numbers of that part, as records, because half a number is another. */
export function doneFile(file: string): string {
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

import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** All bytes of one connection. */
export interface Input {
  /** Which listener: MQTT over TCP, or HTTP and WebSocket. */
  port: 'mqtt' | 'http'
  /** One write each. */
  pieces: Buffer[]
}

/** An input that found something, or was the first to reach a path that few reach. */
export interface Entry extends Input {
  /** What it found or reached. */
  why: string
}

interface EntryFile {
  why: string
  port: Input['port']
  /** Hexadecimal, one string for each write. */
  pieces: string[]
}

/** Every entry, by file name. The credentials in them are those of `fuzz-app.ts`. */
export function readCorpus(directory: string): Entry[] {
  mkdirSync(directory, { recursive: true })
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => {
      const { why, port, pieces } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as EntryFile
      return { why, port, pieces: pieces.map((hex) => Buffer.from(hex, 'hex')) }
    })
}

/** Writes an entry; its name follows from its bytes, so the same input is kept once. Returns the file's path. */
export function saveEntry(directory: string, { why, port, pieces }: Entry): string {
  const bytes = Buffer.concat(pieces)
  const file = join(
    directory,
    `${port}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.json`,
  )
  const entry: EntryFile = { why, port, pieces: pieces.map((piece) => piece.toString('hex')) }
  writeFileSync(file, `${JSON.stringify(entry, null, 2)}\n`)
  return file
}

import { once } from 'node:events'
import { createRequire } from 'node:module'
import { setTimeout as wait } from 'node:timers/promises'
import pino from 'pino'
import type PinoPretty from 'pino-pretty'
import { createRepeatedLines } from './repeated-lines.js'

export type Log = pino.Logger

/** Every line of these is written, however many there are: the steps of an SOS, and who came and went. */
const NEVER_SUPPRESSED = new Set([
  'sos received',
  'sos stored',
  'sos in the journal until the store is back',
  'sos stored from the journal',
  'not stored, not acknowledged',
  'event delivered',
  'incident acknowledged',
  'incident closed',
  'login',
  'session ended',
])

/**
 * JSON lines on standard output, or readable ones when that is a terminal. Payloads, passwords and secrets
 * are never logged; ids are. Repeated lines are counted instead of written; `onSuppressed` hears of each.
 * `written` resolves when every line is written in its order, or after a moment when
 * nobody reads; `flush` writes what is left when the process ends at once.
 */
export function createLog(options: {
  level: string
  isTerminal: boolean
  onSuppressed?: (level: string) => void
}): {
  log: Log
  flush: () => unknown
  written: () => Promise<unknown>
} {
  const repeated = createRepeatedLines({
    isAlways: (msg, about) =>
      NEVER_SUPPRESSED.has(msg) && (about as { kind?: unknown } | null)?.kind !== 'telemetry',
    onSuppressed: (level) => options.onSuppressed?.(level),
  })
  const settings: pino.LoggerOptions = {
    hooks: { logMethod: repeated.logMethod },
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    // Nothing else of an error: a Redis command's would carry the incident.
    serializers: { err: ({ name, message, stack }: Error) => ({ name, message, stack }) },
  }
  if (options.isTerminal) {
    const pretty = createRequire(import.meta.url)('pino-pretty') as typeof PinoPretty // only terminals need it
    const log = pino(
      settings,
      pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss', sync: true, singleLine: true }),
    )
    return { log, flush: repeated.finish, written: async () => repeated.finish() }
  }
  // Not synchronous: a reader that hangs or a full disk may cost log lines, but never stop the broker.
  const destination = pino.destination({ fd: 1, sync: false, maxLength: UNWRITTEN_BYTES_MAX })
  const gathered = gatherLines(destination)
  const log = pino(settings, gathered)
  let canWrite = true
  destination.on('error', () => (canWrite = false))
  destination.on('drain', () => (canWrite = true))
  return {
    log,
    flush() {
      repeated.finish()
      gathered.pass()
      return canWrite && destination.flushSync()
    },
    async written() {
      repeated.finish()
      gathered.pass()
      if (!canWrite) return
      const drained = once(destination, 'drain').catch(() => {}) // an error ends the wait as well
      destination.write('') // 'drain' follows also when nothing was left
      await Promise.race([drained, wait(READER_LIMIT_MS)])
    },
  }
}

/** Lines of a moment go out together: in a flood every write of its own would wake a thread that takes the core. */
function gatherLines(destination: { write(lines: string): unknown }) {
  let lines = ''
  let timer: NodeJS.Timeout | undefined

  function pass(): void {
    clearTimeout(timer)
    timer = undefined
    if (lines !== '') destination.write(lines)
    lines = ''
  }

  return {
    write(line: string) {
      lines += line
      if (lines.length >= GATHERED_LENGTH_MAX) pass()
      else timer ??= setTimeout(pass, GATHERED_MS)
    },
    pass,
  }
}

const READER_LIMIT_MS = 500
/** Nobody who reads a log sees it, and a process that is killed takes no more with it. */
const GATHERED_MS = 25
const GATHERED_LENGTH_MAX = 16_384

const UNWRITTEN_BYTES_MAX = 4 * 1024 * 1024

import pino from 'pino'
import pretty from 'pino-pretty'

export type Log = pino.Logger

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/**
 * JSON lines on standard output, or readable ones when that is a terminal. Payloads, passwords and secrets
 * are never logged; ids are. `flush` writes what is left before the process ends.
 */
export function createLog(options: { level: string; isTerminal: boolean }): { log: Log; flush: () => void } {
  const settings: pino.LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  }
  if (options.isTerminal) {
    const log = pino(
      settings,
      pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss', sync: true, singleLine: true }),
    )
    return { log, flush: () => {} }
  }
  // Not synchronous: a reader that hangs may cost log lines, but never stop the broker.
  const destination = pino.destination({ fd: 1, sync: false, maxLength: UNWRITTEN_BYTES_MAX })
  return { log: pino(settings, destination), flush: () => destination.flushSync() }
}

const UNWRITTEN_BYTES_MAX = 4 * 1024 * 1024

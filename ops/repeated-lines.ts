import type { LevelWithSilent, Logger, LoggerOptions } from 'pino'

export interface RepeatedLines {
  /** For pino: every line of the log passes here. */
  logMethod: NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>
  /** Writes the summaries that are due later: for the end of the process. */
  finish(): void
}

/**
 * Lets LINES_MAX lines of a kind through in each INTERVAL_MS; the rest is counted, and one line tells how many
 * there were. A kind is the message and its `why` or `clause`, so a flood of one refusal hides no other. At level debug
 * every line is written: somebody looks for something.
 */
export function createRepeatedLines(options: {
  /** Whether every line of this kind counts: the steps of an SOS, who came and went. */
  isAlways: (msg: string, about: unknown) => boolean
  onSuppressed?: (level: string) => void
}): RepeatedLines {
  const { isAlways, onSuppressed } = options
  const kinds = new Map<string, Kind>()

  function summarize(key: string): void {
    const kind = kinds.get(key)
    if (!kind) return
    clearTimeout(kind.timer)
    kinds.delete(key)
    if (kind.suppressed === 0) return
    const { log, level, suppressed, msg, reason } = kind
    log[level]({ suppressed, of: msg, ...reason, seconds: INTERVAL_MS / 1000 }, SUMMARY)
  }

  return {
    logMethod(args, method, level) {
      const [about, text] = args as [unknown, unknown]
      const msg = typeof about === 'string' ? about : text
      const name = this.levels.labels[level] as Level | 'fatal' | undefined
      if (this.isLevelEnabled('debug') || !name || name === 'fatal') return method.apply(this, args)
      if (typeof msg !== 'string' || msg === SUMMARY || isAlways(msg, about)) return method.apply(this, args)
      const reason = reasonIn(about)
      const key = `${msg} ${JSON.stringify(reason)}`
      let kind = kinds.get(key)
      if (!kind) {
        if (kinds.size >= KINDS_MAX) return method.apply(this, args)
        const timer = setTimeout(() => summarize(key), INTERVAL_MS).unref()
        kind = { log: this, level: name, msg, reason, count: 0, suppressed: 0, timer }
        kinds.set(key, kind)
      }
      if (++kind.count <= LINES_MAX) return method.apply(this, args)
      kind.suppressed++
      onSuppressed?.(name)
    },
    finish() {
      for (const key of kinds.keys()) summarize(key)
    },
  }
}

type Level = Exclude<LevelWithSilent, 'fatal' | 'silent'>

interface Kind {
  log: Logger
  level: Level
  msg: string
  reason: { why?: string; clause?: string }
  count: number
  suppressed: number
  timer: NodeJS.Timeout
}

function reasonIn(about: unknown): Kind['reason'] {
  if (typeof about !== 'object' || about === null) return {}
  const { why, clause } = about as Record<string, unknown>
  return {
    ...(typeof why === 'string' ? { why } : {}),
    ...(typeof clause === 'string' ? { clause } : {}),
  }
}

const SUMMARY = 'repeated log lines suppressed'
/** Enough to see who is concerned when a handful of phones have a fault, and ten lines a second in a flood. */
const LINES_MAX = 100
const INTERVAL_MS = 10_000
/** Reasons come from the code and are few; should one ever hold something else, lines are written rather than memory kept. */
const KINDS_MAX = 1_000

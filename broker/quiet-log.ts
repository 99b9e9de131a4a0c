import type { Log } from '../ops/log.js'

/** Says one thing about one subject: the first time at once, and then how often it was so, at most once a minute. */
export type QuietLog = (subject: object, about: Record<string, unknown>, message: string) => void

/** For what a client may do thousands of times a second without its connection ending for it. */
export function createQuietLog(log: Log, nowMs: () => number = () => performance.now()): QuietLog {
  const said = new WeakMap<object, Map<string, { atMs: number; unsaid: number }>>()
  return (subject, about, message) => {
    const messages = said.get(subject) ?? new Map<string, { atMs: number; unsaid: number }>()
    said.set(subject, messages)
    const last = messages.get(message)
    if (last && nowMs() - last.atMs < PAUSE_MS) return void last.unsaid++
    messages.set(message, { atMs: nowMs(), unsaid: 0 })
    log.warn({ ...about, ...(last?.unsaid ? { since: last.unsaid } : {}) }, message)
  }
}

const PAUSE_MS = 60_000

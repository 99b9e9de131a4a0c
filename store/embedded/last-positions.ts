import type { Database } from 'lmdb'
import type { TelemetryRecord } from '../store.js'
import { durable } from './durable.js'
import type { TelemetryLog } from './telemetry-log.js'

/** A user's last position, and when the log has it for good. */
export interface LastPosition {
  record: TelemetryRecord
  written: Promise<unknown>
  /** What it replaced, until it is written. */
  before?: LastPosition | undefined
  hasFailed?: true
}

/**
 * The last position of every user. The log of telemetry has each of them already, so the table of them is written now
 * and then, for many users at once; with it goes the number up to which the log is in the table. What the log has behind
 * that number is in memory, also after a crash.
 */
export interface LastPositions {
  read(appId: string, userId: string): LastPosition | null
  /** From now on this is the user's last position; the log has it once `written` resolves. */
  set(record: TelemetryRecord, written: Promise<unknown>): void
  /** The log is in the table up to here: what lies behind must not be trimmed. */
  savedUpTo(appId: string): number
  /** Begins to write the table, unless that is under way. */
  saveSoon(appId: string): void
  forget(appId: string, userId: string): Promise<void>
  /** Writes the table for every app. */
  stop(): Promise<void>
}

export function createLastPositions(options: {
  table: Database<TelemetryRecord, string[]>
  /** By app: the number of the newest record that the table knows of. */
  marks: Database<number, string>
  log: TelemetryLog
}): LastPositions {
  const { table, marks, log } = options
  const apps = new Map<string, AppPositions>()

  function of(appId: string): AppPositions {
    let found = apps.get(appId)
    if (!found) {
      const mark = marks.get(appId) ?? 0
      const savedUpTo = Math.min(mark, log.lastNumber(appId))
      // The log did not take what it had numbered: these numbers are given again, and must not count as saved.
      if (mark > savedUpTo) durable(marks.put(appId, savedUpTo)).catch(() => {})
      found = { ahead: new Map(), savedUpTo, saving: null, timer: null }
      for (const record of log.readAfter(appId, savedUpTo))
        if (record.position && !record.isHistory) found.ahead.set(record.userId, { record, written: DONE })
      apps.set(appId, found)
    }
    return found
  }

  /** The log has not taken it, so what it replaced holds on. */
  function takeBack({ ahead }: AppPositions, position: LastPosition): void {
    position.hasFailed = true
    const { userId } = position.record
    if (ahead.get(userId) !== position) return
    let { before } = position
    while (before?.hasFailed) before = before.before
    if (before) ahead.set(userId, before)
    else ahead.delete(userId)
  }

  function saveSoon(appId: string): void {
    const app = of(appId)
    app.saving ??= save(appId, app)
      .catch(() => {}) // the log keeps it, and the next time comes
      .finally(() => (app.saving = null))
  }

  /** Whoever comes while an earlier save goes on sets the time anew. */
  function saveInTime(appId: string, app: AppPositions): void {
    app.timer = null
    saveSoon(appId)
  }

  async function save(appId: string, app: AppPositions): Promise<void> {
    if (app.timer) clearTimeout(app.timer)
    app.timer = null
    const upTo = log.lastNumber(appId)
    // As it is now: users who come while this goes on would keep it going.
    const waiting = Array.from(app.ahead)
    const saved: [string, LastPosition][] = []
    const writes: Promise<unknown>[] = []
    for (const [userId, position] of waiting) {
      // Whoever was forgotten meanwhile is not written again.
      if (app.ahead.get(userId) !== position) continue
      saved.push([userId, position])
      writes.push(table.put([appId, userId], position.record))
      if (saved.length % PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await durable(...writes)
    await durable(marks.put(appId, upTo))
    app.savedUpTo = upTo
    for (const [userId, position] of saved) if (app.ahead.get(userId) === position) app.ahead.delete(userId)
  }

  return {
    read(appId, userId) {
      const position = of(appId).ahead.get(userId)
      if (position) return position
      const record = table.get([appId, userId])
      return record ? { record, written: DONE } : null
    },
    set(record, written) {
      const { appId, userId } = record
      const app = of(appId)
      const position: LastPosition = { record, written, before: app.ahead.get(userId) }
      app.ahead.set(userId, position)
      written.then(
        () => (position.before = undefined),
        () => takeBack(app, position),
      )
      if (app.ahead.size >= AHEAD_MAX) saveSoon(appId)
      else app.timer ??= setTimeout(() => saveInTime(appId, app), SAVE_EVERY_MS).unref()
    },
    savedUpTo: (appId) => of(appId).savedUpTo,
    saveSoon,
    async forget(appId, userId) {
      of(appId).ahead.delete(userId)
      await durable(table.remove([appId, userId]))
    },
    async stop() {
      for (const [appId, app] of apps) {
        await app.saving
        if (app.ahead.size > 0) saveSoon(appId)
        await app.saving
      }
    },
  }
}

interface AppPositions {
  /** By user, what the table does not have yet. */
  ahead: Map<string, LastPosition>
  savedUpTo: number
  saving: Promise<unknown> | null
  timer: NodeJS.Timeout | null
}

const DONE = Promise.resolve()
/** Users: some 10 MB. A thousand would be written ten times a second by a thousand phones that send without pause. */
const AHEAD_MAX = 10_000
/** At 10,000 messages a second a start reads some 50,000 of the log again, a fifth of a second. */
const SAVE_EVERY_MS = 5_000
/** About 0.5 ms of writes. */
const PER_TURN = 64

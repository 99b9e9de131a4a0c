import { basename } from 'node:path'
import type { Log } from '../ops/log.js'
import type { Availability } from '../store/availability.js'
import type { Journal, JournaledSos, JournaledTelemetry } from '../store/journal/journal.js'
import type { NumberedEntry } from '../store/journal/records.js'
import type { Segment } from '../store/journal/segment-files.js'
import type { SegmentLog } from '../store/journal/segment-log.js'
import type { LateTelemetry } from '../store/store.js'
import { userKey } from '../store/user.js'
import type { User } from '../store/user.js'
import { within } from '../store/within.js'
import type { SosTaker } from './sos.js'

export interface Replay {
  /** Brings what can be brought, soon; with `isBack`, because the store takes writes again, at once. */
  wake(isBack?: boolean): void
  /**
   * Brings the reports of one user before somebody reads or changes his incident.
   *
   * @throws when the store does not take them.
   */
  settle(user: User): Promise<void>
  stop(): Promise<void>
}

export interface ReplayOptions {
  journal: Journal
  takeSos: SosTaker
  late: LateTelemetry
  availability: Availability
  onReplayed: (kind: 'sos' | 'telemetry', count: number) => void
  log: Log
}

/**
 * Brings the journal into the store when that is back: SOS first, each user's in their order, each entry once in
 * its effect also when a crash leaves some of them done and not marked so.
 */
export function createReplay(options: ReplayOptions): Replay {
  const { journal, takeSos, late, availability, onReplayed, log } = options
  let isStopped = false
  let pass: Promise<void> | null = null
  let timer: NodeJS.Timeout | null = null
  let timerMs = 0
  let isWanted = false
  let pauseMs = 0
  let hasNews = false // since the last pass began
  let passMs = 0
  let lastReason = ''
  const waiters = new Set<Waiter>()

  function wake(isBack = false): void {
    if (isBack) pauseMs = 0
    hasNews = true
    // Whoever is new does not wait as long as one whom the store refuses again and again.
    startIn(Math.min(pauseMs, Math.max(PAUSE_MS_MIN, passMs * PASS_SHARE)))
  }

  function startIn(ms: number): void {
    isWanted = true
    if (pass || isStopped || (timer && timerMs <= ms)) return
    if (timer) clearTimeout(timer)
    timerMs = ms
    timer = setTimeout(() => void start(), ms)
  }

  function start(): Promise<void> {
    if (timer) clearTimeout(timer)
    timer = null
    pass ??= run().finally(() => {
      pass = null
      if (hasNews) wake()
      else if (isWanted) startIn(pauseMs)
    })
    return pass
  }

  async function run(): Promise<void> {
    isWanted = false
    hasNews = false
    const startedAt = performance.now()
    let hasFailed = false
    try {
      const sos = await replaySos()
      giveUpWaiters()
      const telemetry = await replayTelemetry()
      hasFailed = sos.hasFailed || telemetry.hasFailed
      if (sos.count + telemetry.count > 0)
        log.info({ sos: sos.count, telemetry: telemetry.count, left: journal.sos.depth }, 'journal replayed')
    } catch (error) {
      hasFailed = true
      note(error, {})
    }
    passMs = performance.now() - startedAt
    // Without an end of its trouble a report is tried again and again, ever more slowly and never given up.
    pauseMs = hasFailed ? Math.min(Math.max(pauseMs * 2, PAUSE_MS_MIN), PAUSE_MS_MAX) : 0
    if (hasFailed) isWanted = true
    else lastReason = ''
  }

  async function replaySos() {
    const held = new Set<string>() // users whose report did not get through: their later ones wait
    let count = 0
    let hasFailed = false
    for (const segment of journal.sos.segments.slice()) {
      const entries = await readOrPass(journal.sos, segment)
      hasFailed ||= entries === null
      if (!entries) continue
      for (let at = 0; at < entries.length; at += SOS_BATCH) {
        if (isStopped) return { count, hasFailed: true }
        const done = await replayUsers(entries.slice(at, at + SOS_BATCH), held)
        if (done.length === 0) continue
        await journal.sosDone(segment, done)
        for (const waiter of waiters) if (!journal.holdsSosOf(waiter.user)) waiter.settled()
        onReplayed('sos', done.length)
        count += done.length
      }
    }
    return { count, hasFailed: hasFailed || held.size > 0 }
  }

  /** Whoever came in the middle of a pass has one more; then the store does not take it. */
  function giveUpWaiters(): void {
    for (const waiter of waiters) {
      if (waiter.hasSeenAPass) waiter.failed()
      else isWanted = true
      waiter.hasSeenAPass = true
    }
  }

  /** Users side by side, the reports of each one after the other; which entries the store has now. */
  async function replayUsers(entries: NumberedEntry<JournaledSos>[], held: Set<string>) {
    const done: NumberedEntry<JournaledSos>[] = []
    const byUser = groupBy(entries, ({ entry }) => userKey(entry.user))
    await Promise.all(
      [...byUser].map(async ([key, own]) => {
        for (const numbered of own) {
          const { user, way, payload, receivedAt, incidentId, eventId } = numbered.entry
          if (held.has(key)) return
          if (availability.isAway(user.appId)) return void held.add(key)
          try {
            const message = { user, way, payload: Buffer.from(payload, 'base64') }
            const outcome = await takeSos(message, { now: new Date(receivedAt), incidentId, eventId }, true)
            const incident = outcome.is === 'accepted' ? outcome.incident : undefined
            log.info(
              {
                appId: user.appId,
                userId: user.userId,
                eventId,
                incidentId: incident?.incidentId,
                receivedAt,
              },
              'sos stored from the journal',
            )
            done.push(numbered)
          } catch (error) {
            held.add(key)
            availability.noteFailure(user.appId, error)
            note(error, { appId: user.appId, userId: user.userId })
          }
        }
      }),
    )
    return done
  }

  async function replayTelemetry() {
    const held = new Set<string>() // apps
    let count = 0
    let hasFailed = false
    for (const segment of journal.telemetry.segments.slice()) {
      const entries = await readOrPass(journal.telemetry, segment)
      hasFailed ||= entries === null
      if (!entries) continue
      for (let at = 0; at < entries.length; at += TELEMETRY_BATCH) {
        // An SOS that came meanwhile goes first; the rest of the telemetry has its turn in the next pass.
        if (isWanted || isStopped) return { count, hasFailed: hasFailed || held.size > 0 }
        const done = await replayApps(segment, entries.slice(at, at + TELEMETRY_BATCH), held)
        if (done.length === 0) continue
        await journal.telemetry.markDone(segment, done)
        onReplayed('telemetry', done.length)
        count += done.length
      }
    }
    return { count, hasFailed: hasFailed || held.size > 0 }
  }

  /** What one file cannot give any more must not hold up what the others have. */
  async function readOrPass<Entry>(from: SegmentLog<Entry>, segment: Segment) {
    try {
      return await from.read(segment)
    } catch (error) {
      // Whoever made room dropped it meanwhile.
      if (!from.segments.includes(segment)) return []
      const reason = (error as Error).message
      if (reason !== lastReason)
        log.error({ file: basename(segment.file), reason }, 'journal: a file cannot be read')
      lastReason = reason
      return null
    }
  }

  async function replayApps(
    segment: Segment,
    entries: NumberedEntry<JournaledTelemetry>[],
    held: Set<string>,
  ): Promise<number[]> {
    const byApp = groupBy(entries, ({ entry }) => entry.record.appId)
    const done = [...byApp].map(async ([appId, own]) => {
      if (availability.isAway(appId)) held.add(appId)
      if (held.has(appId)) return []
      try {
        await late.append(
          appId,
          own.map(({ number, entry }) => ({ ...entry, number, file: basename(segment.file) })),
        )
        return own.map(({ number }) => number)
      } catch (error) {
        held.add(appId)
        availability.noteFailure(appId, error)
        note(error, { appId })
        return []
      }
    })
    return (await Promise.all(done)).flat()
  }

  /** The same trouble is told once. */
  function note(error: unknown, about: object): void {
    const reason = (error as Error).message
    if (reason !== lastReason)
      log.warn({ ...about, reason }, 'journal: an entry could not be brought to the store')
    lastReason = reason
  }

  return {
    wake,
    async settle(user) {
      if (!journal.holdsSosOf(user)) return
      const isBack = await availability.isBack(user.appId)
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = {
          user,
          hasSeenAPass: false,
          settled() {
            waiters.delete(waiter)
            resolve()
          },
          failed() {
            waiters.delete(waiter)
            reject(new Error('reports of this user wait in the journal for the store'))
          },
        }
        if (!isBack || isStopped) return waiter.failed()
        waiters.add(waiter)
        isWanted = true
        void start()
      })
    },
    async stop() {
      isStopped = true
      if (timer) clearTimeout(timer)
      timer = null
      // What a store that does not answer has done all the same has its effect once when the next run brings it again.
      if (pass) await within(STOP_LIMIT_MS, pass).catch(() => {})
      for (const waiter of waiters) waiter.failed()
    },
  }
}

interface Waiter {
  user: User
  settled: () => void
  failed: () => void
  hasSeenAPass: boolean
}

function groupBy<Item>(items: Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

/** What a crash may leave in the store without a mark; at two keys each far fewer than a user's keys remembered. */
const SOS_BATCH = 64
const TELEMETRY_BATCH = 500
const PAUSE_MS_MIN = 100
const STOP_LIMIT_MS = 1_000
const PAUSE_MS_MAX = 10_000
/** A long journal that nobody takes is read for a tenth of the time. */
const PASS_SHARE = 10

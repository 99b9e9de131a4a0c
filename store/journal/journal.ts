import { randomUUID } from 'node:crypto'
import type { Log } from '../../ops/log.js'
import type { TelemetryRecord, WriteAttempt } from '../store.js'
import { userKey } from '../user.js'
import type { User } from '../user.js'
import type { NumberedEntry } from './records.js'
import { openSegmentLog } from './segment-log.js'
import type { SegmentLog } from './segment-log.js'
import type { Found, Segment } from './segment-files.js'

/** An SOS that was acknowledged before the store had it: everything the handler needs to take it again. */
export interface JournaledSos {
  user: User
  way: 'mqtt' | 'http' | 'mesh'
  /** Base64. */
  payload: string
  /** ISO 8601, UTC. */
  receivedAt: string
  /** Names that the incident and its event get, so that the same report twice is one. */
  incidentId: string
  eventId: string
}

/** Telemetry that was acknowledged before the store had it. */
export interface JournaledTelemetry {
  record: TelemetryRecord
  /** The process that wrote the entry: numbers grow within one run. */
  run: string
  /** Where to ask whether a failed write happened after all. */
  attempt?: WriteAttempt
}

export interface Journal {
  sos: SegmentLog<JournaledSos>
  telemetry: SegmentLog<JournaledTelemetry>
  /** @throws when it is not on disk. An SOS never gives way: telemetry leaves a full disk first. */
  addSos(entry: JournaledSos): Promise<void>
  /** @throws when it is not on disk. Beyond telemetryBytesMax the oldest goes. */
  addTelemetry(record: TelemetryRecord, attempt?: WriteAttempt): Promise<void>
  /** Whether reports of the user wait for the store. */
  holdsSosOf(user: User): boolean
  /** What the oldest report of the user that waits will open, unless an incident is open by then. */
  waitingIncidentOf(user: User): { incidentId: string; status: 'active'; createdAt: string } | null
  /** The store has these. */
  sosDone(segment: Segment, done: NumberedEntry<JournaledSos>[]): Promise<void>
  /** Files that cannot be read; what is in them is acknowledged and not in the store. SOS first. */
  readonly unreadable: { file: string; reason: string }[]
  /** Whether there is a file to try again. */
  readonly awaitsFiles: boolean
  /** Tries them; whether something came of it. One call at a time. */
  readAgain(): Promise<boolean>
  /** When the oldest SOS that waits came, in milliseconds since 1970; null without one. */
  readonly oldestSosAt: number | null
  /** Since when there has been telemetry without a pause; null without any. */
  readonly telemetrySince: number | null
  stop(): Promise<void>
}

export interface JournalOptions {
  directory: string
  telemetryBytesMax: number
  /** Telemetry that had to go unseen by the store. */
  onTelemetryDropped: (count: number) => void
  log: Log
}

/**
 * What is acknowledged while the store is away, on the disk of this machine.
 *
 * @throws when the directory cannot be made or read.
 */
export function openJournal({
  directory,
  telemetryBytesMax,
  onTelemetryDropped,
  log,
}: JournalOptions): Journal {
  const run = randomUUID()
  /** user → eventId → the report */
  const waitingOf = new Map<string, Map<string, WaitingSos>>()
  const arrivals = new Map<string, number>() // eventId → milliseconds
  let telemetrySince: number | null = null
  let dropping: Promise<unknown> | null = null
  const { log: sos, damage } = openSegmentLog<JournaledSos>({
    directory,
    name: 'sos',
    segmentBytes: SOS_SEGMENT_BYTES,
    onPending({ user, eventId, incidentId, receivedAt }, number) {
      const waiting = waitingOf.get(userKey(user)) ?? new Map()
      waitingOf.set(userKey(user), waiting.set(eventId, { number, incidentId, receivedAt }))
      arrivals.set(eventId, Date.parse(receivedAt))
    },
  })
  const { log: telemetry, damage: telemetryDamage } = openSegmentLog<JournaledTelemetry>({
    directory,
    name: 'telemetry',
    segmentBytes: Math.min(TELEMETRY_SEGMENT_BYTES, Math.ceil(telemetryBytesMax / 8)),
    bytesMax: telemetryBytesMax,
    onDropped: onTelemetryDropped,
    onPending({ record }) {
      telemetrySince ??= Date.parse(record.receivedAt)
    },
  })
  for (const found of [...damage, ...telemetryDamage]) noteDamage(found)
  for (const found of [...sos.unreadable, ...telemetry.unreadable])
    log.error(found, 'journal: a file cannot be read')
  if (sos.depth + telemetry.depth > 0)
    log.warn(
      { sos: sos.depth, telemetry: telemetry.depth },
      'journal: an earlier run left entries for the store',
    )

  function noteDamage(found: Found): void {
    log.error(found, 'journal: a part of a file cannot be read; what is readable is kept')
  }

  /** Those who need room at the same time wait for the same file to go. */
  function dropOldestTelemetry(): Promise<unknown> {
    dropping ??= telemetry
      .dropOldest()
      .then((count) => count > 0 && onTelemetryDropped(count))
      .finally(() => (dropping = null))
    return dropping
  }

  /** On a full disk old telemetry gives way to what is new, and all of it to an SOS. */
  async function makingRoom(append: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await append()
      } catch (error) {
        const isFull = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
        if (!isFull || telemetry.segments.length === 0) throw error
        await dropOldestTelemetry()
      }
    }
  }

  return {
    sos,
    telemetry,
    addSos: (entry) => makingRoom(() => sos.append(entry)),
    addTelemetry: (record, attempt) =>
      makingRoom(() => telemetry.append({ record, run, ...(attempt ? { attempt } : {}) })),
    holdsSosOf: (user) => waitingOf.has(userKey(user)),
    waitingIncidentOf(user) {
      const waiting = [...(waitingOf.get(userKey(user))?.values() ?? [])]
      const [oldest] = waiting.toSorted((a, b) => a.number - b.number)
      return oldest ? { incidentId: oldest.incidentId, status: 'active', createdAt: oldest.receivedAt } : null
    },
    async sosDone(segment, done) {
      for (const { entry } of done) {
        const waiting = waitingOf.get(userKey(entry.user))
        waiting?.delete(entry.eventId)
        if (waiting?.size === 0) waitingOf.delete(userKey(entry.user))
        arrivals.delete(entry.eventId)
      }
      await sos.markDone(
        segment,
        done.map(({ number }) => number),
      )
    },
    get unreadable() {
      return [...sos.unreadable, ...telemetry.unreadable]
    },
    get awaitsFiles() {
      return sos.awaitsFiles || telemetry.awaitsFiles
    },
    async readAgain() {
      const found = [...(await sos.readAgain()), ...(await telemetry.readAgain())]
      for (const one of found) {
        log.info({ file: one.file, entries: one.entries }, 'journal: a file is read again')
        if (one.damagedBytes > 0) noteDamage(one)
      }
      return found.length > 0
    },
    get oldestSosAt() {
      let oldest: number | null = null
      for (const at of arrivals.values()) if (oldest === null || at < oldest) oldest = at
      return oldest
    },
    get telemetrySince() {
      if (telemetry.depth === 0) telemetrySince = null
      return telemetrySince
    },
    async stop() {
      await Promise.all([sos.stop(), telemetry.stop()])
    },
  }
}

interface WaitingSos extends Pick<JournaledSos, 'incidentId' | 'receivedAt'> {
  /** Grows with what came later. */
  number: number
}

// About 2,000 reports: what is read at a time when the store is back, and removed together.
const SOS_SEGMENT_BYTES = 1024 * 1024
const TELEMETRY_SEGMENT_BYTES = 4 * 1024 * 1024

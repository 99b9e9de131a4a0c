import type { User } from '../../store/user.js'

export type MessageKind = 'sos' | 'telemetry'

/** One SOS report or one telemetry message, known by its number wherever it comes up again. */
export interface Publication {
  n: number
  kind: MessageKind
  user: User
  /** Of its payload. Grows with `n`, so no two publications have the same. */
  timestamp: string
  /** When it was last written to a socket, on the clock of performance.now(). */
  sentAt: number
  isAcknowledged: boolean
  /** Sent once, over the only connection of its user, behind everything with a smaller number. */
  isInOrder: boolean
}

export interface Ledger {
  /** By number. */
  publications: readonly Publication[]
  /** Ids of incidents whose closing was answered with success. */
  closed: ReadonlySet<string>
  /** What was seen that must not be, one line each. */
  problems: readonly string[]
  acknowledged: Readonly<Record<MessageKind, number>>
  /** Copies of lifecycle events that phones received. */
  delivered: number
  write(kind: MessageKind, user: User, isInOrder: boolean): Publication
  acknowledge(publication: Publication): void
  noteClosed(incidentId: string): void
  /** An event arrived that tells of the report with this timestamp. */
  noteDelivered(timestamp: string): void
  noteProblem(text: string): void
  /** Resolves, in the same turn of the event loop, when so many are acknowledged in all. */
  whenAcknowledged(count: number): Promise<void>
  /** Resolves with the time of the first PUBACK (or HTTP 200) of something sent after `since`. */
  whenRecovered(since: number): Promise<number>
  /** Resolves when a phone is told of a report that was sent after `since`. */
  whenTold(since: number): Promise<void>
}

/** Who published what, and which of it was acknowledged. */
export function createLedger(): Ledger {
  const startedAt = Date.now()
  const publications: Publication[] = []
  const closed = new Set<string>()
  const problems: string[] = []
  const acknowledged = { sos: 0, telemetry: 0 }
  const onAcknowledged = createWaiters<Publication>()
  const onDelivered = createWaiters<Publication>()
  const total = () => acknowledged.sos + acknowledged.telemetry

  return {
    publications,
    closed,
    problems,
    acknowledged,
    delivered: 0,
    write(kind, user, isInOrder) {
      const n = publications.length
      const timestamp = new Date(startedAt + n).toISOString()
      const sentAt = performance.now()
      publications.push({ n, kind, user, timestamp, sentAt, isAcknowledged: false, isInOrder })
      return publications[n] as Publication
    },
    acknowledge(publication) {
      if (!publication.isAcknowledged) acknowledged[publication.kind]++
      publication.isAcknowledged = true
      onAcknowledged.tell(publication)
    },
    noteClosed: (incidentId) => void closed.add(incidentId),
    noteDelivered(timestamp) {
      this.delivered++
      const publication = publications[Date.parse(timestamp) - startedAt]
      if (publication) onDelivered.tell(publication)
      else this.noteProblem(`an event tells of a report of ${timestamp}, which nobody sent`)
    },
    noteProblem: (text) => void (problems.length < PROBLEMS_MAX && problems.push(text)),
    whenAcknowledged: async (count) =>
      total() >= count ? undefined : void (await onAcknowledged.until(() => total() >= count)),
    async whenRecovered(since) {
      await onAcknowledged.until(({ sentAt }) => sentAt > since)
      return performance.now()
    },
    whenTold: async (since) => void (await onDelivered.until(({ sentAt }) => sentAt > since)),
  }
}

function createWaiters<Told>() {
  const waiters = new Set<{ fits: (told: Told) => boolean; resolve: () => void }>()
  return {
    tell(told: Told): void {
      for (const waiter of waiters) {
        if (!waiter.fits(told)) continue
        waiters.delete(waiter)
        waiter.resolve()
      }
    },
    until: (fits: (told: Told) => boolean) => new Promise<void>((resolve) => waiters.add({ fits, resolve })),
  }
}

/** Something that goes wrong goes wrong a thousand times. */
const PROBLEMS_MAX = 200

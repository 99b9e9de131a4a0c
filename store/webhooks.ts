import type { LifecycleEvent } from './store.js'

/** A web hook of an app, as the apps file names it. */
export interface WebhookName {
  appId: string
  webhookId: string
}

/** Where web hooks have got to, which node serves each, and what was given up. */
export interface WebhookStore {
  /**
   * Takes the lease of a web hook, or keeps it for so long again. False when another node has it.
   *
   * @throws when the store does not answer; the lease may have been taken.
   */
  lease(name: WebhookName, holder: string, ms: number): Promise<boolean>
  /** Gives the lease back; nothing when another node has it. */
  release(name: WebhookName, holder: string): Promise<void>
  /** Null for a web hook that never ran. */
  read(name: WebhookName): Promise<WebhookState | null>
  /**
   * Writes the state and appends to the dead letters in one step; the oldest give way, and are counted. Null when the
   * lease is not the holder's: then nothing is written.
   */
  write(
    name: WebhookName,
    holder: string,
    state: WebhookState,
    dead: DeadLetter[],
  ): Promise<{ dropped: number } | null>
  /** Oldest first. */
  readDead(name: WebhookName): Promise<DeadLetter[]>
  /** How many are kept, and how many had to give way since the web hook began. */
  countDead(name: WebhookName): Promise<{ kept: number; dropped: number }>
  /** Removes one that has been delivered after all. */
  removeDead(name: WebhookName, eventId: string): Promise<void>
}

/** How far a web hook has got in its app's event log. Times are ISO 8601. */
export interface WebhookState {
  /** All that stands up to this log id is done, but for the incidents in `held`. */
  position: string
  /** By incident id. Everything of such an incident that stands behind `after` is still to be delivered. */
  held: Record<string, { after: string; since: string }>
  deliveredAt?: string
  /** The latest one that told something new. */
  failure?: { at: string; reason: string }
  /** Parts of the log that were gone before they could be delivered; the newest GAPS_MAX. */
  gaps: WebhookGap[]
}

/** Between these log ids events may have been missed. */
export interface WebhookGap {
  after: string
  before: string
  at: string
}

/** An event that could not be delivered. */
export interface DeadLetter {
  logId: string
  event: LifecycleEvent
  /** When it was given up. */
  at: string
  attempts: number
  reason: string
}

/** Dead letters kept per web hook: some 2 MB. The log has them too, for as long as it reaches back. */
export const DEAD_LETTERS_MAX = 1_000
const GAPS_MAX = 10

export function addGap(gaps: WebhookGap[], gap: WebhookGap): WebhookGap[] {
  return [...gaps, gap].slice(-GAPS_MAX)
}

/** Compares two ids of the event log: below 0 when `a` stands before `b`. */
export function compareLogIds(a: string, b: string): number {
  const [aMs = '0', aNumber = '0'] = a.split('-')
  const [bMs = '0', bNumber = '0'] = b.split('-')
  return compareDigits(aMs, bMs) || compareDigits(aNumber, bNumber)
}

/** The place right before an entry: what to read behind to get it. */
export function placeBefore(logId: string): string {
  const [ms = '0', number] = logId.split('-')
  if (number === undefined) return String(BigInt(ms) - 1n)
  if (BigInt(number) > 0n) return `${ms}-${BigInt(number) - 1n}`
  return `${BigInt(ms) - 1n}-${2n ** 64n - 1n}`
}

/** Whole numbers of up to 20 digits, which a double does not hold. */
function compareDigits(a: string, b: string): number {
  const [one, two] = [BigInt(a), BigInt(b)]
  return one < two ? -1 : one > two ? 1 : 0
}

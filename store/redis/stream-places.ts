import type { Log } from '../../ops/log.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'

export type Entry = [id: string, fields: string[]]

/** Where following begins. */
export interface Start {
  /** Id of the last entry seen of each stream. */
  seen: Map<string, string>
  /** When streams were last looked for, by `performance.now()`. */
  lookedAt: number
  /** Whether Redis could not be asked. */
  isAway: boolean
}

/** Entries that this node has handed on, or that were there before it. */
export interface KnownEntries {
  /** They need not be handed on any more. */
  note(stream: string, entries: Entry[]): void
  has(stream: string, entry: Entry): boolean
  /** Whether somebody wrote it before this node began to follow; by clocks, so only for want of something better. */
  isFromBefore(entry: Entry): boolean
}

/** The ends of the apps' streams as they are now; without those that Redis does not tell. */
export async function findEnds(
  redis: Commands,
  appIds: string[],
  known: KnownEntries,
  log: Log,
): Promise<Start> {
  const start: Start = { seen: new Map(), lookedAt: performance.now(), isAway: false }
  try {
    for (const stream of appIds.map(keys.events)) {
      const newest = await redis.xrevrange(stream, '+', '-', 'COUNT', ANCHORS).catch(unlessOfOneStream)
      if (!newest) continue // found out, and told, where it is read
      known.note(stream, newest.toReversed())
      start.seen.set(stream, newest[0]?.[0] ?? '0-0')
    }
  } catch (error) {
    log.warn({ reason: (error as Error).message }, 'event log cannot be read; events wait')
    start.isAway = true
  }
  return start
}

/**
 * Apps come and go with the apps file, and Redis may be away when we start. A stream that is new to us is read
 * from a little before the last time that we looked (`performance.now()`): its first SOS may be faster than us.
 */
export async function findStart(redis: Commands, lookedAt: number): Promise<string> {
  const [seconds] = await redis.time()
  const elapsed = Math.ceil((performance.now() - lookedAt) / 1000)
  return `${Math.max(0, Number(seconds) - elapsed - SLACK_S) * 1000}-0`
}

/**
 * Where reading goes on after trouble, for a stream that was read up to `seen` from `start` on. The Redis that answers now
 * may be another one, which lost the newest entries and writes new ones by a clock of its own, perhaps below `seen`: then
 * the place is the newest entry that is known. What is read twice is told apart by its event id.
 */
export async function resume(
  redis: Commands,
  stream: string,
  { seen, start }: { seen: string; start: string },
  known: KnownEntries,
): Promise<string> {
  const before = millisecondsOf(seen) - SLACK_S * 1000
  const from = before > millisecondsOf(start) ? `${before}-0` : start
  const [last] = await redis.xrange(stream, seen, seen)
  if (last) return from
  const newest = await redis.xrevrange(stream, '+', '-', 'COUNT', SEARCHED_MAX)
  const found =
    newest.find((entry) => known.has(stream, entry)) ?? newest.find((entry) => known.isFromBefore(entry))
  const beforeAll = newest.length < SEARCHED_MAX ? '0-0' : (newest.at(-1) as Entry)[0]
  const place = found?.[0] ?? beforeAll
  return millisecondsOf(place) < millisecondsOf(from) ? place : from
}

/** Of what has to do with this stream alone, and not with Redis: its reason. */
export function troubleOfOne(error: unknown): string | null {
  const { message } = error as Error
  return /^(WRONGTYPE|NOPERM)/.test(message) ? message : null
}

function unlessOfOneStream(error: unknown): null {
  if (troubleOfOne(error) === null) throw error
  return null
}

function millisecondsOf(id: string): number {
  return Number.parseInt(id, 10)
}

/** Clocks of Redis servers may differ by that much. */
const SLACK_S = 10
/** Entries of each stream by which its state is known again: a failover loses the newest few. */
export const ANCHORS = 20
/** What one app writes while a failover goes on, and more. */
const SEARCHED_MAX = 1_000

import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../ops/log.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'

export type Entry = [id: string, fields: string[]]
export type StreamEntries = [stream: string, entries: Entry[]][]

/** Where following begins. */
export interface Start {
  /** Id of the last entry seen of each stream. */
  seen: Map<string, string>
  /** When streams were last looked for, by `performance.now()`. */
  lookedAt: number
  /** Whether Redis could not be asked. */
  isAway: boolean
}

/** The ends of the apps' streams as they are now; without those that Redis does not tell. */
export async function findEnds(redis: Commands, appIds: string[], log: Log): Promise<Start> {
  const start: Start = { seen: new Map(), lookedAt: performance.now(), isAway: false }
  try {
    for (const appId of appIds) start.seen.set(keys.events(appId), await lastId(redis, keys.events(appId)))
  } catch (error) {
    log.warn({ reason: (error as Error).message }, 'event log cannot be read; events wait')
    start.isAway = true
  }
  return start
}

/**
 * Reads streams for ever, through every trouble, and hands each entry on in order; some of them again after
 * trouble. Resolves when it is stopped or `streams` has become null.
 */
export async function followStreams(options: {
  redis: Commands
  streams: () => string[] | null
  /** Reads behind these places; waits a moment when there is nothing. */
  read: (places: Map<string, string>) => Promise<StreamEntries>
  hand: (entries: Entry[]) => void
  from: Start
  isStopped: { yet: boolean }
  log: Log
}): Promise<void> {
  const { redis, streams: streamsNow, read, hand, from, isStopped, log } = options
  let { seen, lookedAt, isAway } = from
  /** What stands before these places was never ours to hand on. */
  const starts = new Map(seen)
  while (!isStopped.yet) {
    const streams = streamsNow()
    if (!streams) return
    try {
      // A copy: whoever fails again and again does not go back further each time.
      const all = isAway ? await rewound(redis, seen, starts) : new Map(seen)
      await findStarts(redis, streams, all, lookedAt)
      for (const [stream, id] of all) if (!starts.has(stream)) starts.set(stream, id)
      lookedAt = performance.now()
      if (streams.length === 0) await pause(RETRY_MS)
      else {
        const places = new Map(streams.map((stream) => [stream, all.get(stream) as string]))
        for (const [stream, entries] of await read(places)) {
          hand(entries)
          const last = entries.at(-1)
          if (last) all.set(stream, last[0])
        }
      }
      seen = all
      if (isAway) log.info('event log is read again')
      isAway = false
    } catch (error) {
      if (isStopped.yet) return
      if (!isAway) log.warn({ reason: (error as Error).message }, 'event log cannot be read; events wait')
      isAway = true
      await pause(RETRY_MS)
    }
  }
}

/**
 * Apps come and go with the apps file, and Redis may be away when we start. A stream that is new to us is read
 * from a little before the last time that we looked (`performance.now()`): its first SOS may be faster than us.
 */
async function findStarts(
  redis: Commands,
  streams: string[],
  seen: Map<string, string>,
  lookedAt: number,
): Promise<void> {
  for (const stream of streams) {
    if (seen.has(stream)) continue
    const [seconds] = await redis.time()
    const elapsed = Math.ceil((performance.now() - lookedAt) / 1000)
    seen.set(stream, `${Math.max(0, Number(seconds) - elapsed - SLACK_S) * 1000}-0`)
  }
}

/**
 * After trouble: the Redis that answers now may be another one, which lost the newest entries and writes new ones
 * by a clock of its own. What is read twice is told apart by its event id.
 */
async function rewound(
  redis: Commands,
  seen: Map<string, string>,
  starts: Map<string, string>,
): Promise<Map<string, string>> {
  const places = new Map<string, string>()
  for (const [stream, id] of seen) {
    const start = starts.get(stream) ?? id
    const before = millisecondsOf(id) - SLACK_S * 1000
    const from = before > millisecondsOf(start) ? `${before}-0` : start
    const last = await lastId(redis, stream)
    places.set(stream, millisecondsOf(last) < millisecondsOf(from) ? last : from)
  }
  return places
}

function millisecondsOf(id: string): number {
  return Number.parseInt(id, 10)
}

async function lastId(redis: Commands, stream: string): Promise<string> {
  const [last] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1)
  return last?.[0] ?? '0-0'
}

export const RETRY_MS = 200
/** Clocks of Redis servers may differ by that much. */
const SLACK_S = 10

import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../ops/log.js'
import type { Commands } from './connection.js'
import { findStart, resume, troubleOfOne } from './stream-places.js'
import type { Entry, KnownEntries, Start } from './stream-places.js'

export type StreamEntries = [stream: string, entries: Entry[]][]

/**
 * Reads streams for ever, through every trouble, and hands each entry on in order; some of them again after
 * trouble. Resolves when it is stopped or `streams` has become null.
 */
export async function followStreams(options: {
  redis: Commands
  streams: () => string[] | null
  /** Reads behind these places; waits a moment when there is nothing. */
  read: (places: Map<string, string>) => Promise<StreamEntries>
  hand: (stream: string, entries: Entry[]) => void
  known: KnownEntries
  from: Start
  /** Streams that cannot be read although Redis is there, and why: they hold up no other. Written here. */
  unreadable: Map<string, string>
  isStopped: { yet: boolean }
  log: Log
}): Promise<void> {
  const {
    redis,
    streams: streamsNow,
    read: readBehind,
    hand,
    known,
    from,
    unreadable,
    isStopped,
    log,
  } = options
  let { seen, lookedAt, isAway } = from
  /** What stands before these places was never ours to hand on. */
  const starts = new Map(seen)
  /** Of streams whose place has to be looked for anew before they are read. */
  const shaken = new Set<string>(isAway ? seen.keys() : [])
  let lookAgainAt = 0

  /** The place of one stream, as Redis is now. */
  async function placeOf(stream: string): Promise<string> {
    const place = seen.get(stream)
    if (place === undefined) {
      await redis.xrevrange(stream, '+', '-', 'COUNT', 1) // whether it can be read at all
      return findStart(redis, lookedAt)
    }
    if (!shaken.has(stream)) return place
    return resume(redis, stream, { seen: place, start: starts.get(stream) ?? place }, known)
  }

  /** Of all that can be read. A copy: whoever fails again and again does not go back further each time. */
  async function placesOf(streams: string[]): Promise<Map<string, string>> {
    const isTimeToLook = performance.now() >= lookAgainAt
    if (isTimeToLook) lookAgainAt = performance.now() + LOOK_AGAIN_MS
    const places = new Map<string, string>()
    for (const stream of streams) {
      if (unreadable.has(stream) && !isTimeToLook) continue
      try {
        places.set(stream, await placeOf(stream))
        if (unreadable.delete(stream)) log.info({ stream }, 'event log of one app is read again')
      } catch (error) {
        if (!setAside(stream, error)) throw error
      }
    }
    return places
  }

  /** True when it is this stream alone that fails. */
  function setAside(stream: string, error: unknown): boolean {
    const reason = troubleOfOne(error)
    if (reason === null) return false
    shaken.add(stream)
    if (!unreadable.has(stream))
      log.error({ stream, reason }, 'event log of one app cannot be read; its events wait')
    unreadable.set(stream, reason)
    return true
  }

  /** Redis names no stream when it refuses to read several; whether the ones that are to blame were found. */
  async function findUnreadable(streams: Iterable<string>, error: unknown): Promise<boolean> {
    if (troubleOfOne(error) === null) return false
    let isFound = false
    for (const stream of streams) {
      const asked = redis.xrevrange(stream, '+', '-', 'COUNT', 1)
      const isOne = await asked.then(
        () => false,
        (reason: unknown) => setAside(stream, reason),
      )
      isFound ||= isOne
    }
    return isFound
  }

  while (!isStopped.yet) {
    const streams = streamsNow()
    if (!streams) return
    let places = new Map<string, string>()
    try {
      places = await placesOf(streams)
      for (const [stream, id] of places) {
        if (!starts.has(stream)) starts.set(stream, id)
        if (!seen.has(stream)) seen.set(stream, id) // its beginning does not move while reading fails
      }
      lookedAt = performance.now()
      const read = places.size === 0 ? await pause(RETRY_MS, []) : await readBehind(places)
      for (const [stream, entries] of read) {
        hand(stream, entries)
        const last = entries.at(-1)
        if (last) places.set(stream, last[0])
      }
      for (const [stream, id] of places) {
        seen.set(stream, id)
        shaken.delete(stream)
      }
      if (isAway) log.info('event log is read again')
      isAway = false
    } catch (error) {
      if (isStopped.yet) return
      if (await findUnreadable(places.keys(), error)) continue
      if (!isAway) log.warn({ reason: (error as Error).message }, 'event log cannot be read; events wait')
      isAway = true
      for (const stream of seen.keys()) shaken.add(stream)
      await pause(RETRY_MS)
    }
  }
}

export const RETRY_MS = 200
/** How soon a stream that was set right is noticed. */
const LOOK_AGAIN_MS = 1_000

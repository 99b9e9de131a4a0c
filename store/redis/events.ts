import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../ops/log.js'
import { createLatestSet } from '../latest-set.js'
import type { EventLog, LifecycleEvent, LoggedEvent } from '../store.js'
import type { Commands } from './connection.js'
import { followStreams, RETRY_MS } from './follow-streams.js'
import type { StreamEntries } from './follow-streams.js'
import { keys } from './keys.js'
import type { LogIds } from './log-ids.js'
import { ANCHORS, findEnds } from './stream-places.js'
import type { Entry, KnownEntries, Start } from './stream-places.js'

/**
 * The event log: one stream per app. A node reads on where it stopped, also after a lost connection, so a
 * session that stays connected misses nothing. `reader` blocks in XREAD and is used for nothing else; in a cluster,
 * where no command reads streams of several slots, each is asked often instead, and one that is away holds up
 * no other.
 */
export function createRedisEvents(options: {
  reader: Commands
  redis: Commands
  isCluster: boolean
  ids: LogIds
  log: Log
}) {
  const { reader, redis, isCluster, ids, log } = options
  const isStopped = { yet: false }
  let running: Promise<unknown> = Promise.resolve()
  /** Ids of the newest events: after trouble the log is read again from a little before. */
  const handed = createLatestSet<string>(HANDED_MAX)
  /** The newest of each stream, so that one which is quiet is not forgotten. */
  const anchors = new Map<string, ReturnType<typeof createLatestSet<string>>>()
  const unreadable = new Map<string, string>()
  const since = new Date(Date.now() - CLOCKS_DIFFER_MS).toISOString()

  /** Said once for each: the same part of the log is read by many, again and again. */
  const reported = createLatestSet<string>(REPORTED_MAX)

  function readEvent([id, fields]: Entry): LifecycleEvent | null {
    try {
      const event = JSON.parse(fields[1] as string) as LifecycleEvent | null
      if (typeof event?.eventId === 'string') return event
    } catch {
      // as below
    }
    if (!reported.has(id)) log.error({ id }, 'an entry of the event log is no event; passed over')
    reported.add(id)
    return null
  }

  const known: KnownEntries = {
    note(stream, entries) {
      const last = entries.at(-1)
      if (last) ids.note(stream, last[0])
      const anchorsHere = anchors.get(stream) ?? createLatestSet<string>(ANCHORS)
      anchors.set(stream, anchorsHere)
      for (const entry of entries.slice(-ANCHORS)) {
        const event = readEvent(entry)
        if (event) anchorsHere.add(event.eventId)
      }
    },
    has(stream, entry) {
      const event = readEvent(entry)
      return event !== null && (handed.has(event.eventId) || anchors.get(stream)?.has(event.eventId) === true)
    },
    isFromBefore(entry) {
      const event = readEvent(entry)
      return event !== null && event.at < since
    },
  }

  async function readBlocking(places: Map<string, string>): Promise<StreamEntries> {
    const ids = [...places.values()]
    return (
      (await reader.xread('COUNT', READ_MAX, 'BLOCK', BLOCK_MS, 'STREAMS', ...places.keys(), ...ids)) ?? []
    )
  }

  async function readNow(places: Map<string, string>): Promise<StreamEntries> {
    const read = await reader.xread('COUNT', READ_MAX, 'STREAMS', ...places.keys(), ...places.values())
    if (!read) await pause(POLL_MS)
    return read ?? []
  }

  function hand(stream: string, entries: Entry[], onEvent: (event: LifecycleEvent) => void): void {
    known.note(stream, entries)
    for (const entry of entries) {
      const event = readEvent(entry)
      if (!event || handed.has(event.eventId)) continue
      handed.add(event.eventId)
      onEvent(event)
    }
  }

  function followTogether(appIds: () => string[], onEvent: (event: LifecycleEvent) => void, from: Start) {
    return followStreams({
      redis,
      streams: () => appIds().map(keys.events),
      read: readBlocking,
      hand: (stream, entries) => hand(stream, entries, onEvent),
      known,
      from,
      unreadable,
      isStopped,
      log,
    })
  }

  /** Each app on its own, for as long as `appIds` names it. */
  async function followApart(
    appIds: () => string[],
    onEvent: (event: LifecycleEvent) => void,
    from: Map<string, Start>,
  ): Promise<void> {
    const parts = new Map<string, Promise<void>>()
    let lookedAt = performance.now()
    while (!isStopped.yet) {
      for (const appId of appIds()) {
        if (parts.has(appId)) continue
        const part = followStreams({
          redis,
          streams: () => (appIds().includes(appId) ? [keys.events(appId)] : null),
          read: readNow,
          hand: (stream, entries) => hand(stream, entries, onEvent),
          known,
          from: from.get(appId) ?? { seen: new Map(), lookedAt, isAway: false },
          unreadable,
          isStopped,
          log: log.child({ appId }),
        })
        from.delete(appId)
        parts.set(
          appId,
          part.finally(() => parts.delete(appId)),
        )
      }
      lookedAt = performance.now()
      await pause(RETRY_MS)
    }
    await Promise.all(parts.values())
  }

  const events: EventLog = {
    async follow(appIds, onEvent) {
      if (!isCluster) {
        running = followTogether(appIds, onEvent, await findEnds(redis, appIds(), known, log))
        return
      }
      const ends = appIds().map(
        async (appId) => [appId, await findEnds(redis, [appId], known, log.child({ appId }))] as const,
      )
      running = followApart(appIds, onEvent, new Map(await Promise.all(ends)))
    },
    async readLatest(appId, limit) {
      const entries = await redis.xrevrange(keys.events(appId), '+', '-', 'COUNT', limit)
      return entries.toReversed().flatMap((entry) => readEvent(entry) ?? [])
    },
    async readEnd(appId) {
      const [last] = await redis.xrevrange(keys.events(appId), '+', '-', 'COUNT', 1)
      if (last) ids.note(keys.events(appId), last[0])
      return last?.[0] ?? '0'
    },
    async readAfter(appId, after, limit) {
      const found: LoggedEvent[] = []
      // Whoever gets none takes it for the end and asks from the same place again: entries that cannot be read are
      // passed over here, however many there are.
      for (let place = after; found.length < limit;) {
        const missing = limit - found.length
        const count = place === after ? missing : Math.max(missing, PASS_OVER_MIN)
        const entries = await redis.xrange(keys.events(appId), `(${place}`, '+', 'COUNT', count)
        for (const entry of entries) {
          const event = readEvent(entry)
          if (event) found.push({ logId: entry[0], event })
        }
        place = entries.at(-1)?.[0] ?? place
        if (place !== after) ids.note(keys.events(appId), place)
        if (entries.length < count) break
      }
      return found.slice(0, limit)
    },
  }
  return {
    events,
    /** Apps whose log cannot be read although Redis is there, of these. */
    unreadable: (appIds: string[]) =>
      appIds.flatMap((appId) => {
        const reason = unreadable.get(keys.events(appId))
        return reason === undefined ? [] : [{ appId, reason }]
      }),
    async stop(): Promise<void> {
      isStopped.yet = true
      reader.disconnect()
      await running
    },
  }
}

const READ_MAX = 500
/** Entries that are looked at in one go once some could not be read. */
const PASS_OVER_MIN = 100
const REPORTED_MAX = 10_000
/** Of brokers. */
const CLOCKS_DIFFER_MS = 10_000
// How soon a new app is noticed. Far below the command timeout, which would take a quiet log for a dead one.
const BLOCK_MS = 1_000
/** A phone does not notice; a hundred apps cost a cluster 2,000 small reads a second. */
const POLL_MS = 50
/** More than the log brings in the seconds that are read again: 5 MB. */
const HANDED_MAX = 50_000

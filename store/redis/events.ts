import type { Log } from '../../ops/log.js'
import type { EventLog, LifecycleEvent } from '../store.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'

type Entry = [id: string, fields: string[]]

/**
 * The event log: one stream per app. A node reads on where it stopped, also after a lost connection, so a
 * session that stays connected misses nothing. `reader` blocks in XREAD and is used for nothing else; in a cluster,
 * where no command reads streams of several slots, it asks each of them often instead.
 */
export function createRedisEvents(options: {
  reader: Commands
  redis: Commands
  isCluster: boolean
  log: Log
}) {
  const { reader, redis, isCluster, log } = options
  let isStopped = false
  let isAway = false
  let running: Promise<void> = Promise.resolve()
  /** Ids of the newest events, oldest first: after trouble the log is read again from a little before. */
  const handed = new Set<string>()

  async function followFor(
    appIds: () => string[],
    onEvent: (event: LifecycleEvent) => void,
    seen: Map<string, string>,
    startedAt: number,
  ) {
    let since = startedAt
    /** Where each stream was when the trouble began. */
    let reached = new Map<string, string>()
    // oxlint-disable-next-line no-unmodified-loop-condition -- stop() below ends it
    while (!isStopped) {
      try {
        const streams = appIds().map(keys.events)
        if (isAway) await rewind(redis, reached, seen)
        await findStarts(streams, seen, since)
        since = performance.now()
        if (isCluster) await pollOnce(streams, seen, onEvent)
        else await readOnce(streams, seen, onEvent)
        if (isAway) log.info('event log is read again')
        isAway = false
      } catch (error) {
        if (isStopped) return
        if (!isAway) {
          log.warn({ reason: (error as Error).message }, 'event log cannot be read; events wait')
          reached = new Map(seen)
        }
        isAway = true
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  async function readOnce(
    streams: string[],
    seen: Map<string, string>,
    onEvent: (event: LifecycleEvent) => void,
  ): Promise<void> {
    if (streams.length === 0) return void (await new Promise((resolve) => setTimeout(resolve, RETRY_MS)))
    const places = streams.map((stream) => seen.get(stream) as string)
    const read = await reader.xread('COUNT', READ_MAX, 'BLOCK', BLOCK_MS, 'STREAMS', ...streams, ...places)
    hand(read, seen, onEvent)
  }

  async function pollOnce(
    streams: string[],
    seen: Map<string, string>,
    onEvent: (event: LifecycleEvent) => void,
  ): Promise<void> {
    const reads = await Promise.allSettled(
      streams.map(async (stream) =>
        hand(
          await reader.xread('COUNT', READ_MAX, 'STREAMS', stream, seen.get(stream) as string),
          seen,
          onEvent,
        ),
      ),
    )
    // The other parts of the cluster have been read all the same.
    const failed = reads.find((read) => read.status === 'rejected')
    if (failed) throw failed.reason
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }

  function hand(
    read: [stream: string, entries: Entry[]][] | null,
    seen: Map<string, string>,
    onEvent: (event: LifecycleEvent) => void,
  ): void {
    for (const [stream, entries] of read ?? []) {
      for (const entry of entries) {
        seen.set(stream, entry[0])
        const event = readEvent(entry, log)
        if (!event || handed.has(event.eventId)) continue
        remember(event)
        onEvent(event)
      }
    }
  }

  function remember({ eventId }: LifecycleEvent): void {
    handed.add(eventId)
    if (handed.size > HANDED_MAX) handed.delete(handed.values().next().value as string)
  }

  /**
   * Reads a stream from behind this place on. What stands just before it counts as handed on: read again after
   * trouble, it would come behind later events of its incident.
   */
  async function startAt(stream: string, id: string, seen: Map<string, string>): Promise<void> {
    const before = await redis.xrevrange(stream, id, placeBefore(id), 'COUNT', HANDED_MAX)
    for (const entry of before.toReversed()) {
      const event = readEvent(entry, log)
      if (event) remember(event)
    }
    seen.set(stream, id)
  }

  /**
   * Apps come and go with the apps file, and Redis may be away when we start. A stream that is new to us is read
   * from a little before the last time that we looked (`performance.now()`): its first SOS may be faster than us.
   */
  async function findStarts(streams: string[], seen: Map<string, string>, lookedAt: number): Promise<void> {
    for (const stream of streams) {
      if (seen.has(stream)) continue
      const [seconds] = await redis.time()
      const elapsed = Math.ceil((performance.now() - lookedAt) / 1000)
      await startAt(stream, `${Math.max(0, Number(seconds) - elapsed - SLACK_S) * 1000}-0`, seen)
    }
  }

  const events: EventLog = {
    async follow(appIds, onEvent) {
      const seen = new Map<string, string>()
      const startedAt = performance.now()
      try {
        for (const stream of appIds().map(keys.events))
          await startAt(stream, await lastId(redis, stream), seen)
      } catch (error) {
        log.warn({ reason: (error as Error).message }, 'event log cannot be read; events wait')
        isAway = true
      }
      running = followFor(appIds, onEvent, seen, startedAt)
    },
    async readLatest(appId, limit) {
      const entries = await redis.xrevrange(keys.events(appId), '+', '-', 'COUNT', limit)
      return entries.toReversed().flatMap((entry) => readEvent(entry, log) ?? [])
    },
    async readAfter(appId, after, limit) {
      const entries = await redis.xrange(keys.events(appId), `(${after}`, '+', 'COUNT', limit)
      return entries.flatMap((entry) => {
        const event = readEvent(entry, log)
        return event ? { logId: entry[0], event } : []
      })
    },
  }
  return {
    events,
    async stop(): Promise<void> {
      isStopped = true
      reader.disconnect()
      await running
    },
  }
}

/**
 * After trouble: the Redis that answers now may be another one, which lost the newest entries and writes new ones
 * by a clock of its own. What is read twice is told apart by its event id.
 */
async function rewind(
  redis: Commands,
  reached: Map<string, string>,
  seen: Map<string, string>,
): Promise<void> {
  for (const [stream, id] of reached) {
    const before = placeBefore(id)
    const last = await lastId(redis, stream)
    seen.set(stream, millisecondsOf(last) < millisecondsOf(before) ? last : before)
  }
}

/** SLACK_S earlier. */
function placeBefore(id: string): string {
  return `${Math.max(0, millisecondsOf(id) - SLACK_S * 1000)}-0`
}

function millisecondsOf(id: string): number {
  return Number.parseInt(id, 10)
}

async function lastId(redis: Commands, stream: string): Promise<string> {
  const [last] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1)
  return last?.[0] ?? '0-0'
}

function readEvent([id, fields]: Entry, log: Log): LifecycleEvent | null {
  try {
    return JSON.parse(fields[1] as string) as LifecycleEvent
  } catch {
    log.error({ id }, 'an entry of the event log is no JSON; passed over')
    return null
  }
}

const READ_MAX = 500
// How soon a new app is noticed. Far below the command timeout, which would take a quiet log for a dead one.
const BLOCK_MS = 1_000
/** A phone does not notice; a hundred apps cost a cluster 2,000 small reads a second. */
const POLL_MS = 50
const RETRY_MS = 200
/** More than the log brings in the seconds that are read again: 5 MB. */
const HANDED_MAX = 50_000
/** Clocks of Redis servers may differ by that much. */
const SLACK_S = 10

import type { Log } from '../../ops/log.js'
import type { EventLog, LifecycleEvent } from '../store.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'

type Entry = [id: string, fields: string[]]

/**
 * The event log: one stream per app. A node reads on where it stopped, also after a lost connection, so a
 * session that stays connected misses nothing. `reader` blocks in XREAD and is used for nothing else.
 */
export function createRedisEvents(reader: Commands, redis: Commands, log: Log) {
  let isStopped = false
  let isAway = false
  let running: Promise<void> = Promise.resolve()

  async function followFor(
    appIds: () => string[],
    onEvent: (event: LifecycleEvent) => void,
    seen: Map<string, string>,
  ) {
    // oxlint-disable-next-line no-unmodified-loop-condition -- stop() below ends it
    while (!isStopped) {
      try {
        const streams = appIds().map(keys.events)
        await findStarts(redis, streams, seen)
        await readOnce(streams, seen, onEvent)
        if (isAway) log.info('event log is read again')
        isAway = false
      } catch (error) {
        if (isStopped) return
        if (!isAway) log.warn({ reason: (error as Error).message }, 'event log cannot be read; events wait')
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
    const read = await reader.xread('COUNT', 500, 'BLOCK', BLOCK_MS, 'STREAMS', ...streams, ...places)
    for (const [stream, entries] of read ?? []) {
      for (const entry of entries) {
        seen.set(stream, entry[0])
        const event = readEvent(entry, log)
        if (event) onEvent(event)
      }
    }
  }

  const events: EventLog = {
    async follow(appIds, onEvent) {
      const seen = new Map<string, string>()
      for (const appId of appIds()) seen.set(keys.events(appId), await lastId(redis, keys.events(appId)))
      running = followFor(appIds, onEvent, seen)
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
 * Apps come and go with the apps file. One that is new starts a little before now: its first SOS may be faster
 * than us. One that comes back goes on where it was left.
 */
async function findStarts(redis: Commands, streams: string[], seen: Map<string, string>): Promise<void> {
  for (const stream of streams) {
    if (seen.has(stream)) continue
    const [seconds] = await redis.time()
    seen.set(stream, `${(Number(seconds) - 5) * 1000}-0`)
  }
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

// How soon a new app is noticed. Far below the command timeout, which would take a quiet log for a dead one.
const BLOCK_MS = 1_000
const RETRY_MS = 200

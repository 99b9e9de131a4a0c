import { asBinary } from 'lmdb'
import type { RootDatabase } from 'lmdb'
import type { TelemetryRecord } from '../store.js'
import { durable } from './durable.js'

/**
 * The telemetry of each app, its newest records, in blocks: what came together is one entry of the database, because a
 * write costs the database the same whether it holds one record or fifty. The records of an app are numbered upwards
 * without end; a block lies under the number of its last one.
 */
export interface TelemetryLog {
  /** Appends records, each as JSON; the promise says when they are durable. */
  append(appId: string, records: string[]): Promise<unknown>
  /**
   * Removes the oldest blocks that the newest `recordsMax` records do not need, as far as they end before or at this
   * number. False when one that is not needed lies behind it.
   */
  trim(appId: string, upTo: number): boolean
  /** Newest first. */
  readLatest(appId: string, limit: number): TelemetryRecord[]
  /** Behind the record with this number, oldest first; whole blocks, so it may begin a little before. */
  readAfter(appId: string, after: number): Iterable<TelemetryRecord>
  /** The number of the newest record; 0 when there was never one. */
  lastNumber(appId: string): number
  /** Takes out a user's records. */
  forget(appId: string, userId: string): Promise<void>
}

export function openTelemetryLog(root: RootDatabase, recordsMax: number): TelemetryLog {
  // An entry of an earlier version is a record of its own, and no list.
  const blocks = root.openDB<TelemetryRecord | TelemetryRecord[], [string, number]>({
    name: 'telemetry',
    encoding: 'json',
  })
  /** By app: the number of the newest record, and the number before the oldest one's. */
  const bounds = new Map<string, { last: number; before: number }>()
  const backwards = (appId: string) => ({
    start: [appId, Infinity] as [string, number],
    end: [appId, 0] as [string, number],
    reverse: true,
  })
  const behind = (appId: string, after: number) => ({
    start: [appId, after + 1] as [string, number],
    end: [appId, Infinity] as [string, number],
  })

  function boundsOf(appId: string) {
    let found = bounds.get(appId)
    if (!found) {
      const [newest] = blocks.getKeys({ ...backwards(appId), limit: 1 })
      const [oldest] = blocks.getRange({ ...behind(appId, 0), limit: 1 })
      const last = newest?.[1] ?? 0
      found = { last, before: oldest ? oldest.key[1] - recordsIn(oldest.value).length : last }
      bounds.set(appId, found)
    }
    return found
  }

  return {
    append(appId, records) {
      const range = boundsOf(appId)
      range.last += records.length
      return blocks.put([appId, range.last], asBinary(Buffer.from(`[${records.join(',')}]`)) as never)
    },
    trim(appId, upTo) {
      const range = boundsOf(appId)
      while (range.last - range.before > recordsMax) {
        const [oldest] = blocks.getKeys({ ...behind(appId, range.before), limit: 1 })
        if (!oldest || range.last - oldest[1] < recordsMax) return true
        if (oldest[1] > upTo) return false
        // One that cannot be removed now is found again by the next start.
        durable(blocks.remove(oldest)).catch(() => {})
        range.before = oldest[1]
      }
      return true
    },
    readLatest(appId, limit) {
      const wanted = Math.min(limit, recordsMax)
      const latest: TelemetryRecord[] = []
      for (const { value } of blocks.getRange(backwards(appId))) {
        if (latest.length >= wanted) break
        latest.push(...recordsIn(value).toReversed())
      }
      return latest.slice(0, wanted)
    },
    *readAfter(appId, after) {
      for (const { value } of blocks.getRange(behind(appId, after))) yield* recordsIn(value)
    },
    lastNumber: (appId) => boundsOf(appId).last,
    async forget(appId, userId) {
      const changed: Promise<unknown>[] = []
      for (const { key, value } of blocks.getRange(behind(appId, 0))) {
        const records = recordsIn(value)
        const others = records.filter((record) => record.userId !== userId)
        // An empty block stays: its number is not given again.
        if (others.length < records.length) changed.push(blocks.put(key, others))
      }
      await durable(...changed)
    },
  }
}

function recordsIn(value: TelemetryRecord | TelemetryRecord[]): TelemetryRecord[] {
  return Array.isArray(value) ? value : [value]
}

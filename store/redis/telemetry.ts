import { randomUUID } from 'node:crypto'
import { ReplyError } from 'ioredis'
import { TRAIL_POINTS, UncertainWrite } from '../store.js'
import type { Retention, TelemetryRecord, TelemetryStore, WriteAttempt } from '../store.js'
import { createTurnBatches } from '../turn-batches.js'
import type { Commands } from './connection.js'
import { BATCH_SECONDS, keys } from './keys.js'
import { createPositionKeys } from './position-keys.js'

interface Waiting {
  record: TelemetryRecord
  json: string
  /** The last position for which it may become the last one, or ANY. */
  mayReplace: string
}

/**
 * Telemetry in Redis: what one turn of the event loop brings for an app goes out as one script call. The calls are
 * numbered, so that after a failure one can ask which of them were done; from a failure on they have a new name.
 */
export function createRedisTelemetry(redis: Commands, retention: Retention): TelemetryStore {
  const run = randomUUID()
  let failures = 0
  let lastNumber = 0
  const enqueueWaiting = createTurnBatches({ itemsMax: BATCH_MAX, write: append })

  async function enqueue(record: TelemetryRecord, mayReplace = ANY): Promise<void> {
    // JSON here and not in the batch: what cannot be written rejects alone.
    return enqueueWaiting(record.appId, { record, json: JSON.stringify(record), mayReplace })
  }

  async function append(appId: string, batch: Waiting[]): Promise<void> {
    const attempt = { batch: `${run}.${failures}`, number: ++lastNumber }
    try {
      const appended = await appendBatch(appId, batch, attempt)
      if (appended < 0) throw new Error('this connection to Redis was given up')
    } catch (error) {
      if (attempt.batch === `${run}.${failures}`) failures++
      // Redis says that it did not do it; asked later it would tell of the batches behind, which it may have done.
      throw error instanceof ReplyError ? error : new UncertainWrite(attempt, error as Error)
    }
  }

  function appendBatch(appId: string, batch: Waiting[], attempt: WriteAttempt): Promise<number> {
    const positions = createPositionKeys(appId)
    const records: (string | number)[] = []
    for (const { record, json, mayReplace } of batch)
      records.push(json, ...positions.argumentsOf(record), mayReplace)
    const allKeys = [
      keys.telemetry(appId),
      keys.openIds(appId),
      keys.batch(appId, attempt.batch),
      ...positions.keys,
    ]
    return redis.appendTelemetry(
      allKeys.length,
      ...allKeys,
      retention.telemetryPerApp,
      retention.days * 86_400,
      keys.trails(appId),
      TRAIL_POINTS,
      attempt.number,
      BATCH_SECONDS,
      ...records,
    )
  }

  return {
    async append(record, mayBeLast) {
      if (!mayBeLast || !record.position || record.isHistory) return enqueue(record)
      const last = await redis.get(keys.lastPosition(record.appId, record.userId))
      const verdict = mayBeLast(last === null ? null : (JSON.parse(last) as TelemetryRecord))
      if (verdict === 'repeat') return
      if (verdict === 'history') return enqueue({ ...record, isHistory: true })
      // Whoever was faster keeps his position: it is as new as this one.
      return enqueue(record, last ?? NONE)
    },
    async readLastPosition({ appId, userId }) {
      const json = await redis.get(keys.lastPosition(appId, userId))
      return json === null ? null : (JSON.parse(json) as TelemetryRecord)
    },
    async forget({ appId, userId }) {
      await redis.del(keys.lastPosition(appId, userId))
      const stream = keys.telemetry(appId)
      for (let from = '-'; ;) {
        const entries = await redis.xrange(stream, from, '+', 'COUNT', SCAN_COUNT)
        const own = entries.filter(
          ([, fields]) => (JSON.parse(fields[1] as string) as TelemetryRecord).userId === userId,
        )
        if (own.length > 0) await redis.xdel(stream, ...own.map(([id]) => id))
        const last = entries.at(-1)
        if (entries.length < SCAN_COUNT || !last) return
        from = `(${last[0]}`
      }
    },
    async readLatest(appId, limit) {
      const entries = await redis.xrevrange(keys.telemetry(appId), '+', '-', 'COUNT', limit)
      return entries.map(([, fields]) => JSON.parse(fields[1] as string) as TelemetryRecord)
    },
  }
}

// Redis serves nobody else while a script runs: 500 records keep it for about 3 ms.
const BATCH_MAX = 500
const SCAN_COUNT = 500
/** Of a record that may replace whatever is the last position, and of one that may be the first; neither is JSON. */
const ANY = ''
const NONE = '-'

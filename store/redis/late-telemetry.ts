import { TRAIL_POINTS } from '../store.js'
import type { LateEntry, LateTelemetry, Retention, WriteAttempt } from '../store.js'
import type { Commands } from './connection.js'
import { BATCH_SECONDS, keys } from './keys.js'
import { createPositionKeys } from './position-keys.js'

/** Telemetry from a journal, once each, however often it is brought. */
export function createRedisLateTelemetry(redis: Commands, retention: Retention): LateTelemetry {
  /** Last numbers of the batches that were asked about; a closed batch changes no more. */
  const closed = new Map<string, number>()

  async function hasHappened(appId: string, { batch, number }: WriteAttempt): Promise<boolean> {
    const key = keys.batch(appId, batch)
    let last = closed.get(key)
    if (last === undefined) {
      last = await redis.closeBatch(key, BATCH_SECONDS)
      if (closed.size >= CLOSED_MAX) closed.clear()
      closed.set(key, last)
    }
    return number <= last
  }

  async function appendPart(appId: string, part: string, entries: LateEntry[]): Promise<void> {
    const positions = createPositionKeys(appId)
    const records = entries.flatMap(({ number, record }) => [
      number,
      JSON.stringify(record),
      record.receivedAt,
      ...positions.argumentsOf(record),
    ])
    const allKeys = [
      keys.telemetry(appId),
      keys.openIds(appId),
      keys.replayed(appId, part),
      ...positions.keys,
    ]
    await redis.appendLate(
      allKeys.length,
      ...allKeys,
      retention.telemetryPerApp,
      retention.days * 86_400,
      keys.trails(appId),
      TRAIL_POINTS,
      BATCH_SECONDS,
      ...records,
    )
  }

  return {
    async append(appId, entries) {
      const missing = []
      for (const entry of entries)
        if (!entry.attempt || !(await hasHappened(appId, entry.attempt))) missing.push(entry)
      // By file, because one that cannot be read for a while is brought after those behind it.
      const partOf = ({ run, file }: LateEntry) => `${run} ${file}`
      for (const part of new Set(missing.map(partOf)))
        await appendPart(
          appId,
          part,
          missing.filter((entry) => partOf(entry) === part),
        )
    },
  }
}

const CLOSED_MAX = 10_000

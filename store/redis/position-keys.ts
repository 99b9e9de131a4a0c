import type { TelemetryRecord, TrailPoint } from '../store.js'
import { keys } from './keys.js'

/** KEYS before the last positions in both scripts that append telemetry. */
const KEYS_BEFORE = 3

/**
 * The last-position keys of one script call, each once, behind its other KEYS. `argumentsOf` says what both scripts
 * want to know of a record: the number of its user's key ('0' without a position), the user id, the trail point.
 */
export function createPositionKeys(appId: string) {
  const numbers = new Map<string, number>()
  return {
    argumentsOf({ userId, occurredAt, position, isHistory }: TelemetryRecord): [number, string, string] {
      if (!position || isHistory) return [0, userId, '']
      const key = keys.lastPosition(appId, userId)
      const number = numbers.get(key) ?? KEYS_BEFORE + numbers.size + 1
      numbers.set(key, number)
      return [number, userId, JSON.stringify({ occurredAt, position } satisfies TrailPoint)]
    },
    get keys(): string[] {
      return [...numbers.keys()]
    },
  }
}

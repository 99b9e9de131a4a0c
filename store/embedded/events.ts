import type { EventLog, LifecycleEvent } from '../store.js'
import type { CappedLog } from './capped-log.js'

export interface EmbeddedEvents extends EventLog {
  /** Inside a transaction. */
  append(event: LifecycleEvent): void
  /** After its commit. */
  announce(event: LifecycleEvent): void
}

/** The event log of a single process: who follows is told after each commit. */
export function createEmbeddedEvents(log: CappedLog<LifecycleEvent>): EmbeddedEvents {
  const followers: ((event: LifecycleEvent) => void)[] = []
  return {
    append: (event) => void log.append(event.appId, event),
    announce(event) {
      for (const onEvent of followers) onEvent(event)
    },
    async follow(_appIds, onEvent) {
      followers.push(onEvent)
    },
    async readLatest(appId, limit) {
      return log.readLatest(appId, limit).toReversed()
    },
    async readEnd(appId) {
      return String(log.lastNumber(appId))
    },
    async readAfter(appId, after, limit) {
      return log
        .readAfter(appId, Number.parseInt(after, 10), limit)
        .map(({ number, entry }) => ({ logId: String(number), event: entry }))
    },
  }
}

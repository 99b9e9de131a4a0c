import type { Log } from '../../ops/log.js'
import type { Metrics } from '../../ops/metrics.js'
import type { Refusal } from './doorman.js'

export type DoorRefusal = Refusal | 'proxy-header' | 'client-hello'

/** Counts every refused connection and logs each reason at most once a second, with how many there were. */
export function createRefusals({ log, metrics }: { log: Log; metrics: Metrics }) {
  const unlogged = new Map<DoorRefusal, { count: number; address: string }>()

  function write(why: DoorRefusal): void {
    const { count, address } = unlogged.get(why) ?? { count: 0, address: '' }
    if (count === 0) return void unlogged.delete(why)
    unlogged.set(why, { count: 0, address })
    log.warn({ why, count, address }, 'connections refused before login')
    setTimeout(() => write(why), LOG_INTERVAL_MS).unref()
  }

  return (why: DoorRefusal, address: string): void => {
    metrics.connectionsRefused.inc({ reason: why })
    const waiting = unlogged.get(why)
    unlogged.set(why, { count: (waiting?.count ?? 0) + 1, address })
    if (!waiting) write(why)
  }
}

const LOG_INTERVAL_MS = 1_000

import type { Lane } from './lanes.js'

/** Decides which lane is worked on when, of one web hook. */
export interface Schedule {
  /** The first event of the lane is to be delivered now. */
  enqueue(lane: Lane): void
  retryAfter(lane: Lane, ms: number): void
  /** Whatever waits for its time is tried now. */
  retryAll(): void
  /** Begins nothing new. */
  stop(): void
  /** Resolves when nothing is under way any more. */
  idle(): Promise<unknown>
}

/**
 * A bounded number of lanes at a time. Those that have failed before have a few places of their own, so that a receiver
 * which hangs for some incidents is free for the others.
 */
export function createSchedule(work: (lane: Lane) => Promise<void>): Schedule {
  const fresh = { waiting: [] as Lane[], underWay: 0, max: FRESH_MAX }
  const retries = { waiting: [] as Lane[], underWay: 0, max: RETRIES_MAX }
  const timers = new Map<Lane, NodeJS.Timeout>()
  const underWay = new Set<Promise<void>>()
  const stopped = { yet: false }

  function enqueue(lane: Lane): void {
    const queue = lane.attempts > 0 ? retries : fresh
    queue.waiting.push(lane)
    pump(queue)
  }

  function pump(queue: typeof fresh): void {
    while (!stopped.yet && queue.underWay < queue.max) {
      const lane = queue.waiting.shift()
      if (!lane) return
      queue.underWay++
      const working = work(lane).finally(() => {
        queue.underWay--
        underWay.delete(working)
        pump(queue)
      })
      underWay.add(working)
    }
  }

  function retry(lane: Lane): void {
    clearTimeout(timers.get(lane))
    timers.delete(lane)
    enqueue(lane)
  }

  return {
    enqueue,
    retryAfter(lane, ms) {
      if (stopped.yet) return
      timers.set(
        lane,
        setTimeout(() => retry(lane), ms),
      )
    },
    retryAll() {
      for (const lane of timers.keys()) retry(lane)
    },
    stop() {
      stopped.yet = true
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
    idle: () => Promise.all(underWay),
  }
}

/** Requests under way to one receiver; more would only wait at the other end. */
const FRESH_MAX = 6
const RETRIES_MAX = 4

import type { Log } from '../ops/log.js'
import { within } from './within.js'

/**
 * Whether the store takes writes: per app, because in a cluster the part of one app may be away alone. After a
 * failure nobody waits for the store any more until a probe has written to it.
 */
export interface Availability {
  isAway(appId: string): boolean
  /** A write failed or was not answered in time. What has to do with one record alone changes nothing. */
  noteFailure(appId: string, error: unknown): void
  /** Whether a probe succeeds now, for somebody who would rather wait a moment than be refused. */
  isBack(appId: string): Promise<boolean>
  /** What is away and why, for readiness. */
  away(): { appId: string; reason: string; since: Date }[]
  stop(): void
}

export function createAvailability(options: {
  /** Resolves when the store took a write for this app. */
  probe: (appId: string) => Promise<void>
  /** A store that answers later is as good as away: a phone waits. */
  limitMs: number
  /** A probe succeeded after a failure; `wasAway` when one had failed before it. */
  onBack: (appId: string, wasAway: boolean) => void
  /** Whether a failure tells something about the store, and not about one record in it. */
  isOutage: (error: unknown) => boolean
  log: Log
}): Availability {
  const { probe, limitMs, onBack, isOutage, log } = options
  const outages = new Map<
    string,
    { reason: string; since: Date; timer: NodeJS.Timeout | null; isLogged: boolean }
  >()
  let isStopped = false

  async function probeUntilBack(appId: string): Promise<void> {
    const outage = outages.get(appId)
    if (!outage || isStopped) return
    if (outage.timer) clearTimeout(outage.timer)
    outage.timer = null
    try {
      await within(limitMs, probe(appId))
      if (!outages.delete(appId)) return
      if (outage.isLogged)
        log.info({ appId, awayMs: Date.now() - outage.since.getTime() }, 'the store takes writes again')
      onBack(appId, outage.isLogged)
    } catch (error) {
      outage.reason = (error as Error).message
      // A single write that failed while the store is well is told where it happened.
      if (!outage.isLogged)
        log.warn({ appId, reason: outage.reason }, 'the store takes no writes; SOS go to the journal')
      outage.isLogged = true
      if (!isStopped) outage.timer ??= setTimeout(() => void probeUntilBack(appId), PROBE_PAUSE_MS)
    }
  }

  return {
    isAway: (appId) => outages.has(appId),
    noteFailure(appId, error) {
      if (outages.has(appId) || isStopped || !isOutage(error)) return
      outages.set(appId, {
        reason: (error as Error).message,
        since: new Date(),
        timer: null,
        isLogged: false,
      })
      void probeUntilBack(appId)
    },
    async isBack(appId) {
      await probeUntilBack(appId)
      return !outages.has(appId)
    },
    away: () => [...outages].map(([appId, { reason, since }]) => ({ appId, reason, since })),
    stop() {
      isStopped = true
      for (const { timer } of outages.values()) if (timer) clearTimeout(timer)
    },
  }
}

/** How much later than the store itself we are back; ten writes in an outage cost a Redis that recovers nothing. */
const PROBE_PAUSE_MS = 250

/** When something on the mesh happened, and how we know. All in milliseconds since 1970. */
export interface MeshTimes {
  /** The best that is known; never after `arrivedAt`. */
  at: number
  /** What told `at`: the sender's own time, the clock of the gateway that heard it, or our own. */
  toldBy: 'sender' | 'gateway' | 'arrival'
  /** When the gateway heard it; absent where its clock is not to be believed. */
  heardAt?: number
  arrivedAt: number
}

/**
 * Takes the first time that can be believed: the sender's (in the order given), the gateway's, else the arrival. A
 * clock may be fast by CLOCK_AHEAD_MS; what it says then counts as now, or it would beat everything that follows.
 */
export function readTimes(
  senderS: readonly (number | undefined)[],
  heardAtS: number | undefined,
  arrivedAt: number,
): MeshTimes {
  const believe = (seconds: number | undefined) => {
    const ms = (seconds ?? 0) * 1_000
    return ms >= OLDEST_MS && ms <= arrivedAt + CLOCK_AHEAD_MS ? Math.min(ms, arrivedAt) : undefined
  }
  const sender = senderS.map(believe).find((ms) => ms !== undefined)
  const heardAt = believe(heardAtS)
  return {
    at: sender ?? heardAt ?? arrivedAt,
    toldBy: sender !== undefined ? 'sender' : heardAt !== undefined ? 'gateway' : 'arrival',
    ...(heardAt === undefined ? {} : { heardAt }),
    arrivedAt,
  }
}

/** How old it was when it arrived. */
export function ageMsOf({ at, arrivedAt }: MeshTimes): number {
  return arrivedAt - at
}

/** Heard so long before it arrived that it says nothing about now: kept, never shown as live. */
export function isLate({ heardAt, arrivedAt }: MeshTimes): boolean {
  return heardAt !== undefined && arrivedAt - heardAt > LATE_MS
}

/** An SOS that took long is raised all the same, and says so. */
export function isLateSos({ heardAt, arrivedAt }: MeshTimes): boolean {
  return heardAt !== undefined && arrivedAt - heardAt > LATE_SOS_MS
}

/**
 * Whether a position may become the last known one. `lastAt` is the time of the one that is known, whoever
 * reported it: so a fix of the phone that is newer stays, and a packet played back with a new id changes nothing.
 */
export function freshnessOf(times: MeshTimes, lastAt: number | undefined): 'current' | 'history' {
  return isLate(times) || (lastAt !== undefined && times.at <= lastAt) ? 'history' : 'current'
}

/** Clocks that were never set count from 1970 or from when the firmware was built. */
const OLDEST_MS = Date.UTC(2020, 0, 1)
const CLOCK_AHEAD_MS = 5 * 60_000
const LATE_MS = 6 * 3_600_000
const LATE_SOS_MS = 3_600_000

/**
 * How long a stop may take, in milliseconds from the signal: container engines kill after 10 s unless they are told that
 * DRAIN_SECONDS is longer. What was acknowledged is stored before it is acknowledged, so none of these limits costs any of it.
 */
export function stopLimitsOf(drainMs: number) {
  const wholeMs = Math.max(STOP_LIMIT_MS, drainMs + LAST_WAVE_LIMIT_MS)
  return {
    /** Sessions that still send or still wait for an answer are ended. */
    sessionsMs: wholeMs - 2_000,
    /** What they sent and nobody was told about is given up. */
    underWayMs: wholeMs - 1_200,
    /** Parts that are not closed are left as they are. */
    partsMs: wholeMs - 300,
    /** The event loop did not even get to that. */
    wholeMs,
  }
}

/** Resolves with whether `work` ended by itself, at the latest at `at` by `performance.now()`. */
export async function endsBy(at: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(LEAST_MS, at - performance.now()))
  })
  try {
    return await Promise.race([work.then(() => true), limit])
  } finally {
    clearTimeout(timer)
  }
}

const STOP_LIMIT_MS = 9_500
/** What the last wave needs at most: three seconds for its answers, one to read DISCONNECT, one to close. */
const LAST_WAVE_LIMIT_MS = 5_500
/** Whoever is well closes at once, also when those before him were late. */
const LEAST_MS = 50

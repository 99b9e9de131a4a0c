/**
 * How late the event loop runs, in milliseconds, smoothed: one long turn is no overload, a row of them is.
 * A timer that is overdue at the moment of the question counts already.
 */
export function createLoopLag(): { lagMs: () => number; stop: () => void } {
  let lag = 0
  let due = performance.now() + INTERVAL_MS
  const smooth = () => (lag + Math.max(0, performance.now() - due)) / 2
  const timer = setInterval(() => {
    lag = smooth()
    due = performance.now() + INTERVAL_MS
  }, INTERVAL_MS)
  timer.unref()
  return { lagMs: () => Math.max(lag, smooth()), stop: () => clearInterval(timer) }
}

const INTERVAL_MS = 100

/** A value that is read again and again while somebody watches, once for all of them. */
export interface Watched<Value> {
  /** Calls back with every value from now on, first with the last one where there is one. Returns how to stop. */
  watch(onValue: (value: Value) => void): () => void
  stop(): void
}

/** `read` resolves with null when there is nothing to tell. What it throws is for `onTrouble`. */
export function createWatched<Value>(options: {
  intervalMs: number
  read: () => Promise<Value | null>
  /** When watching begins after a pause. */
  begin?: () => void
  onTrouble: (error: Error) => Value | null
}): Watched<Value> {
  const { intervalMs, read, begin, onTrouble } = options
  const watchers = new Set<(value: Value) => void>()
  let timer: NodeJS.Timeout | undefined
  let last: Value | null = null

  async function tick(): Promise<void> {
    const value = await read().catch(onTrouble)
    if (value !== null) {
      last = value
      for (const onValue of watchers) onValue(value)
    }
    if (watchers.size > 0) timer = setTimeout(() => void tick(), intervalMs)
    else timer = undefined
  }

  return {
    watch(onValue) {
      watchers.add(onValue)
      if (last !== null) onValue(last)
      if (timer === undefined) {
        begin?.()
        timer = setTimeout(() => void tick(), 0)
      }
      return () => {
        watchers.delete(onValue)
        if (watchers.size > 0) return
        last = null
      }
    },
    stop() {
      watchers.clear()
      clearTimeout(timer)
    },
  }
}

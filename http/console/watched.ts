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
  /** When the first begins to watch, and when the last has gone. */
  begin?: () => void
  end?: () => void
  onTrouble: (error: Error) => Value | null
}): Watched<Value> {
  const { intervalMs, read, begin, end, onTrouble } = options
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
      if (watchers.size === 0) begin?.()
      watchers.add(onValue)
      if (last !== null) onValue(last)
      timer ??= setTimeout(() => void tick(), 0)
      return () => {
        if (!watchers.delete(onValue) || watchers.size > 0) return
        last = null
        end?.()
      }
    },
    stop() {
      watchers.clear()
      clearTimeout(timer)
    },
  }
}

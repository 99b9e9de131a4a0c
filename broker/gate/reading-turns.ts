/** The order in which connections that sent much are read. */
export interface ReadingTurns {
  /** Calls `read` in one of the next turns of the event loop, once. */
  wait(read: () => void): void
}

/**
 * Lets `perTurn` connections read some packets in each turn of the event loop, first come, first served. A thousand
 * clients that fill their sockets at the same time would else keep an SOS out for a second.
 */
export function createReadingTurns({ perTurn }: { perTurn: number }): ReadingTurns {
  const waiting = new Set<() => void>()
  let isScheduled = false

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      let left = perTurn
      for (const read of waiting) {
        if (left-- === 0) break
        waiting.delete(read)
        read()
      }
      if (waiting.size > 0) schedule()
    })
  }

  return {
    wait(read) {
      waiting.add(read)
      schedule()
    },
  }
}

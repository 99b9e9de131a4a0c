/** Counts work that an end has to wait for. */
export function createPendingWork() {
  let count = 0
  let waiting: (() => void)[] = []
  return {
    get count() {
      return count
    },
    begin(): void {
      count++
    },
    end(): void {
      count--
      if (count > 0) return
      for (const go of waiting) go()
      waiting = []
    },
    /** Resolves as soon as nothing is pending. */
    whenNone(): Promise<void> {
      return count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))
    },
  }
}

/** Counts work that an end has to wait for. */
export function createUnderWay() {
  let count = 0
  let waiting: (() => void)[] = []
  return {
    begin(): void {
      count++
    },
    end(): void {
      count--
      if (count > 0) return
      for (const go of waiting) go()
      waiting = []
    },
    /** Resolves as soon as nothing is under way. */
    whenNone(): Promise<void> {
      return count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))
    },
  }
}

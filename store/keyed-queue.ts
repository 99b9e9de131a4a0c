/**
 * Runs the tasks of one key one after the other, in the order of the calls, and those of different keys side
 * by side. Keyed by user it keeps the order of a user's messages, and nobody on this node races for one user.
 */
export function createKeyedQueue() {
  const tails = new Map<string, Promise<unknown>>()
  return <Result>(key: string, task: () => Promise<Result>): Promise<Result> => {
    const before = tails.get(key) ?? Promise.resolve()
    const result = before.catch(() => {}).then(task)
    tails.set(key, result)
    const forget = () => {
      if (tails.get(key) === result) tails.delete(key)
    }
    result.then(forget, forget)
    return result
  }
}

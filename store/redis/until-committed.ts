import { setTimeout as pause } from 'node:timers/promises'

/**
 * Tries a change until nobody was faster. `attempt` reads, decides and commits; null means that the state was
 * no longer the one it had read.
 *
 * @throws when other nodes were faster every time.
 */
export async function untilCommitted<Result>(
  attempt: () => Promise<{ result: Result } | null>,
): Promise<Result> {
  for (let tried = 0; tried < ATTEMPTS_MAX; tried++) {
    const committed = await attempt()
    if (committed) return committed.result
    await pause(Math.random() * PAUSE_MS_MAX)
  }
  throw new Error('other nodes changed this without pause')
}

/**
 * Each node has one change of a user under way, so a loser soon wins; the pause is by chance, or two nodes in step
 * could lose to each other for ever.
 */
const ATTEMPTS_MAX = 50
const PAUSE_MS_MAX = 10

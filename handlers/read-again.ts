import type { Journal } from '../store/journal/journal.js'

export interface ReadAgain {
  /** Begins to try files of the journal that could not be read at its start, until none is left. */
  start(): void
  stop(): void
}

/**
 * An acknowledged SOS may be in a file that cannot be read; whoever mends it shall not have to restart the broker. Apart
 * from the replay, which would wait for a disk that takes long to say no.
 *
 * @param onRead something can be read again, and waits for the store
 */
export function createReadAgain(
  journal: Pick<Journal, 'awaitsFiles' | 'readAgain'>,
  onRead: () => void,
): ReadAgain {
  let isStopped = false
  let timer: NodeJS.Timeout | undefined

  function startIn(ms: number): void {
    if (journal.awaitsFiles && !isStopped) timer = setTimeout(() => void tryOnce(ms), ms)
  }

  async function tryOnce(pauseMs: number): Promise<void> {
    if (await journal.readAgain()) onRead()
    startIn(Math.min(pauseMs * 2, PAUSE_MS_MAX))
  }

  return {
    start: () => startIn(PAUSE_MS_MIN),
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

const PAUSE_MS_MIN = 1_000
/** Soon enough for an operator who looks at it, and little work for a disk that is ill. */
const PAUSE_MS_MAX = 10_000

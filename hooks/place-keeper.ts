import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { DeadLetter, WebhookName, WebhookState, WebhookStore } from '../store/webhooks.js'

/**
 * Writes down how far a web hook has got. One write at a time; what changes meanwhile goes into the next, so the store is
 * asked as often as it answers and no more.
 */
export function createPlaceKeeper(options: {
  name: WebhookName
  holder: string
  store: WebhookStore
  stateNow: () => WebhookState
  /** Whether the lease is ours after all; asked when the store says that it is not. */
  regain: () => Promise<boolean>
  /** The lease is another node's, or the store did not take the write: what is in the store holds. */
  onLost: () => void
  log: Log
  metrics: Pick<Metrics, 'webhookLettersDropped'>
}) {
  const { name, holder, store, stateNow, regain, onLost, log, metrics } = options
  let letters: DeadLetter[] = []
  let isDirty = false
  let isLost = false
  let writing: Promise<void> | null = null

  async function write(): Promise<void> {
    while (isDirty && !isLost) {
      isDirty = false
      const dead = letters
      letters = []
      try {
        const put = () => store.write(name, holder, stateNow(), dead)
        const written = (await put()) ?? ((await regain()) ? await put() : null)
        if (written) {
          if (written.dropped > 0) tellDropped(written.dropped)
          continue
        }
      } catch (error) {
        log.warn({ reason: (error as Error).message }, 'place of a web hook cannot be written')
      }
      isLost = true
      onLost()
    }
    writing = null
  }

  function tellDropped(count: number): void {
    metrics.webhookLettersDropped.inc(count)
    log.error({ count }, 'dead letters of a web hook had to go: it has too many')
  }

  return {
    /** In the same step as the place that lies behind it. */
    add: (letter: DeadLetter) => void letters.push(letter),
    /** Resolves when the state of this moment is written, or the lease lost. */
    save(): Promise<void> {
      isDirty = true
      return (writing ??= write())
    },
    /** Nothing more is written. */
    stop() {
      isLost = true
    },
  }
}

import type { Log } from '../ops/log.js'
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
  /** The lease is another node's, or the store did not take the write: what is in the store holds. */
  onLost: () => void
  log: Log
}) {
  const { name, holder, store, stateNow, onLost, log } = options
  let letters: DeadLetter[] = []
  let isDirty = false
  let isLost = false
  let writing: Promise<void> | null = null

  async function write(): Promise<void> {
    while (isDirty && !isLost) {
      isDirty = false
      const dead = letters
      letters = []
      const isWritten = await store.write(name, holder, stateNow(), dead).catch((error: Error) => {
        log.warn({ reason: error.message }, 'place of a web hook cannot be written')
        return false
      })
      if (isWritten) continue
      isLost = true
      onLost()
    }
    writing = null
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

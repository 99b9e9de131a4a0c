import { useEffect, useRef, useState } from 'preact/hooks'
import { appPath, postJson } from './api.js'
import { say } from './text.js'
import type { Redelivered } from './wire.js'

/** Asks once more before dead letters are sent to the partner again. */
export function RedeliverDialog(props: {
  appId: string
  hookId: string
  /** One alone; absent: all. */
  eventId?: string
  onDone: () => void
}) {
  const { appId, hookId, eventId, onDone } = props
  const dialog = useRef<HTMLDialogElement>(null)
  const [trouble, setTrouble] = useState('')
  const [isBusy, setBusy] = useState(false)
  useEffect(() => dialog.current?.showModal(), [])

  async function submit(event: SubmitEvent) {
    event.preventDefault()
    setBusy(true)
    try {
      const path = appPath(appId, `webhooks/${encodeURIComponent(hookId)}/dead-letters/redeliver`)
      const { reason } = await postJson<Redelivered>(path, eventId === undefined ? {} : { eventId }, LIMIT_MS)
      if (reason === null) return onDone()
      setTrouble(say('actionFailed', reason))
    } catch (error) {
      setTrouble(say('actionFailed', (error as Error).message))
    }
    setBusy(false)
  }

  return (
    <dialog ref={dialog} onClose={onDone} aria-labelledby="redeliver-question">
      <form onSubmit={(event) => void submit(event)}>
        <p id="redeliver-question">
          {say(eventId === undefined ? 'confirmSendAll' : 'confirmSendOne', hookId)}
        </p>
        <p role="alert" class="trouble">
          {trouble}
        </p>
        <p class="actions">
          <button type="submit" class="main" disabled={isBusy}>
            {say(eventId === undefined ? 'sendAllAgain' : 'sendAgain')}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {say('cancelButton')}
          </button>
        </p>
      </form>
    </dialog>
  )
}

/** The broker tries for 20 s. */
const LIMIT_MS = 30_000

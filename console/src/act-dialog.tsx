import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, appPath, postJson } from './api.js'
import { takeIncident } from './live.js'
import { nameOf } from './state.js'
import { say } from './text.js'
import type { IncidentRow } from './wire.js'

/** Asks once more, with a note that goes into the story. */
export function ActDialog(props: {
  incident: IncidentRow
  act: 'acknowledge' | 'resolve'
  onDone: () => void
}) {
  const { incident, act, onDone } = props
  const dialog = useRef<HTMLDialogElement>(null)
  const [trouble, setTrouble] = useState('')
  const [isBusy, setBusy] = useState(false)
  useEffect(() => dialog.current?.showModal(), [])

  async function submit(event: SubmitEvent) {
    event.preventDefault()
    const note = String(new FormData(event.currentTarget as HTMLFormElement).get('note') ?? '').trim()
    setBusy(true)
    try {
      const path = appPath(incident.appId, `incidents/${encodeURIComponent(incident.id)}/${act}`)
      const { incident: changed } = await postJson<{ incident: IncidentRow }>(path, note ? { note } : {})
      takeIncident(changed)
      onDone()
    } catch (error) {
      const isClosed = error instanceof ApiError && error.status === 404
      setTrouble(say('actionFailed', isClosed ? say('isClosed') : (error as Error).message))
      setBusy(false)
    }
  }

  return (
    <dialog ref={dialog} onClose={onDone} aria-labelledby="act-question">
      <form onSubmit={(event) => void submit(event)}>
        <p id="act-question">
          {say(act === 'acknowledge' ? 'confirmAcknowledge' : 'confirmResolve', nameOf(incident))}
        </p>
        <label class="field">
          {say('note')}
          <textarea name="note" maxLength={1000} rows={3} />
        </label>
        <p role="alert" class="trouble">
          {trouble}
        </p>
        <p class="actions">
          <button type="submit" class="main" disabled={isBusy}>
            {say(act)}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {say('cancelButton')}
          </button>
        </p>
      </form>
    </dialog>
  )
}

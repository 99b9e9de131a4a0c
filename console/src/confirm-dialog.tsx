import { useEffect, useRef, useState } from 'preact/hooks'
import { say } from './text.js'

/** Asks once more before something is done that others notice. */
export function ConfirmDialog(props: {
  question: string
  /** What the button says that does it. */
  label: string
  /** Resolves with null when it is done, or with what kept it from being done. */
  act: (form: FormData) => Promise<string | null>
  onDone: () => void
  children?: preact.ComponentChildren
}) {
  const { question, label, act, onDone, children } = props
  const dialog = useRef<HTMLDialogElement>(null)
  const [trouble, setTrouble] = useState('')
  const [isBusy, setBusy] = useState(false)
  useEffect(() => dialog.current?.showModal(), [])

  async function submit(event: SubmitEvent) {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setBusy(true)
    const reason = await act(form).catch((error: Error) => error.message)
    if (reason === null) return onDone()
    setTrouble(say('actionFailed', reason))
    setBusy(false)
  }

  return (
    <dialog ref={dialog} onClose={onDone} aria-labelledby="question">
      <form onSubmit={(event) => void submit(event)}>
        <p id="question">{question}</p>
        {children}
        <p role="alert" class="trouble">
          {trouble}
        </p>
        <p class="actions">
          <button type="submit" class="main" disabled={isBusy}>
            {label}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {say('cancelButton')}
          </button>
        </p>
      </form>
    </dialog>
  )
}

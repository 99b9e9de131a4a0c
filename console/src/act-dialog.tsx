import { ApiError, appPath, postJson } from './api.js'
import { ConfirmDialog } from './confirm-dialog.js'
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

  async function change(form: FormData): Promise<string | null> {
    const note = String(form.get('note') ?? '').trim()
    try {
      const path = appPath(incident.appId, `incidents/${encodeURIComponent(incident.id)}/${act}`)
      const { incident: changed } = await postJson<{ incident: IncidentRow }>(path, note ? { note } : {})
      takeIncident(changed)
      return null
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return say('isClosed')
      throw error
    }
  }

  return (
    <ConfirmDialog
      question={say(act === 'acknowledge' ? 'confirmAcknowledge' : 'confirmResolve', nameOf(incident))}
      label={say(act)}
      act={change}
      onDone={onDone}
    >
      <label class="field">
        {say('note')}
        <textarea name="note" maxLength={1000} rows={3} />
      </label>
    </ConfirmDialog>
  )
}

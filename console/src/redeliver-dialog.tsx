import { appPath, postJson } from './api.js'
import { ConfirmDialog } from './confirm-dialog.js'
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
  const isAll = eventId === undefined

  async function redeliver(): Promise<string | null> {
    const path = appPath(appId, `webhooks/${encodeURIComponent(hookId)}/dead-letters/redeliver`)
    const { reason } = await postJson<Redelivered>(path, isAll ? {} : { eventId }, LIMIT_MS)
    return reason
  }

  return (
    <ConfirmDialog
      question={say(isAll ? 'confirmSendAll' : 'confirmSendOne', hookId)}
      label={say(isAll ? 'sendAllAgain' : 'sendAgain')}
      act={redeliver}
      onDone={onDone}
    />
  )
}

/** The broker tries for 20 s. */
const LIMIT_MS = 30_000

import type { LifecycleEvent } from '../store/store.js'
import type { IdForm } from '../store/user.js'

/**
 * The copy of a lifecycle event that goes out on one form of the user's topic. `userId` is the id in that
 * form. The external-id copy of `processed` carries no status: older clients take one for a state that is
 * told twice, and throw. No key looks like a node id: they take those for an acknowledgement by radio.
 */
export function encodeWireEvent(event: LifecycleEvent, form: IdForm): string {
  const { eventId, type, appId, incidentId } = event
  const userId = form === 'uuid' ? event.userId : event.externalUserId
  return toAscii(JSON.stringify({ eventId, type, appId, userId, incidentId, ...bodyOf(event, form) }))
}

function bodyOf(event: LifecycleEvent, form: IdForm): Record<string, unknown> {
  const { type, status, at, version, report } = event
  if (type === 'processed') {
    return {
      ...(form === 'uuid' ? { status } : {}),
      occurredAt: report?.timestamp ?? at,
      snapshotVersion: version,
      actuators: [],
    }
  }
  return { status: type, updatedAt: at, ...(type === 'acknowledged' ? {} : { [`${type}At`]: at }) }
}

/** Clients decode strictly and throw on malformed bytes; pure ASCII cannot be malformed. */
function toAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

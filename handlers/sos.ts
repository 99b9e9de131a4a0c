import { randomUUID } from 'node:crypto'
import type { IncidentStore } from '../store/store.js'
import type { Clock, Handler } from './handler.js'
import { report as reportRule } from './incident-rules.js'
import { namesOther } from './payload.js'
import { readSosReport } from './sos-report.js'

/**
 * Accepts an SOS when it is stored, because PUBACK follows as soon as this resolves. Whatever the payload
 * says, the incident is the sender's: identity never comes from a payload.
 */
export function createSosHandler({ incidents, clock }: { incidents: IncidentStore; clock: Clock }): Handler {
  return async ({ user, payload }) => {
    const now = clock.now()
    const { report, namedUserId, oddities } = readSosReport(payload, now)
    const stamp = { now, incidentId: randomUUID(), eventId: randomUUID() }
    const outcome = await incidents.change(user, report.reportKey, reportRule(user, report, stamp, false))
    return {
      is: 'accepted',
      notes: namesOther(user, namedUserId) ? [...oddities, 'names-another-user'] : oddities,
      ...(outcome.incident ? { incidentId: outcome.incident.incidentId } : {}),
      repeat: outcome.is === 'repeat',
    }
  }
}

import { randomUUID } from 'node:crypto'
import type { Incident, IncidentStore, UserStore } from '../store/store.js'
import type { User } from '../store/user.js'
import { findDeviceOwner } from './device-owner.js'
import type { NamedDevices } from './device-owner.js'
import type { Clock } from './handler.js'
import { acknowledge, close, isOpenedByRelayOf } from './incident-rules.js'
import type { ByWhom, CloseOutcome } from './incident-rules.js'

export type CancelOutcome = CloseOutcome | { is: 'unknown-device' }

/** What people do to an incident once it is open. */
export function createIncidentActions(options: { incidents: IncidentStore; users: UserStore; clock: Clock }) {
  const { incidents, users, clock } = options
  const newStamp = () => ({ now: clock.now(), incidentId: randomUUID(), eventId: randomUUID() })

  return {
    /** The user's own incident, or with a device of somebody else the one that this user's relays opened. */
    async cancel(user: User, named: NamedDevices): Promise<CancelOutcome> {
      const found = await findDeviceOwner(users, user, named)
      switch (found.is) {
        case 'unknown':
          return { is: 'unknown-device' }
        case 'ambiguous':
          return { is: 'not-allowed' }
        case 'sender':
          return incidents.change(
            user,
            [],
            close('cancelled', newStamp(), { by: `user ${user.externalUserId}` }),
          )
        case 'other': {
          const byWhom = { by: `relayer ${user.externalUserId}` }
          const rule = close('cancelled', newStamp(), byWhom, isOpenedByRelayOf(user))
          return incidents.change(found.owner, [], rule)
        }
      }
    },

    resolve(user: User): Promise<CloseOutcome> {
      return incidents.change(user, [], close('resolved', newStamp(), { by: `user ${user.externalUserId}` }))
    },

    /** By the partner's backend or an operator. null: the app has no such incident, or it is closed. */
    async acknowledge(appId: string, incidentId: string, byWhom: ByWhom): Promise<Incident | null> {
      const known = await incidents.read(appId, incidentId)
      if (!known) return null
      const rule = acknowledge(newStamp(), byWhom, (open) => open.incidentId === incidentId)
      const outcome = await incidents.change(known, [], rule)
      return outcome.is === 'none-open' ? null : outcome.incident
    },

    /** By the partner's backend or an operator. null: no such incident; one that is closed comes back as it is. */
    async close(
      appId: string,
      incidentId: string,
      status: 'cancelled' | 'resolved',
      byWhom: ByWhom,
    ): Promise<Incident | null> {
      const known = await incidents.read(appId, incidentId)
      if (!known) return null
      const rule = close(status, newStamp(), byWhom, (open) => open.incidentId === incidentId)
      const outcome = await incidents.change(known, [], rule)
      return outcome.is === 'closed' ? outcome.incident : incidents.read(appId, incidentId)
    },
  }
}

export type IncidentActions = ReturnType<typeof createIncidentActions>

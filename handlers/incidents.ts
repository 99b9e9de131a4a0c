import { randomUUID } from 'node:crypto'
import type { Log } from '../ops/log.js'
import type { Incident, IncidentStore, UserStore } from '../store/store.js'
import type { User } from '../store/user.js'
import { findDeviceOwner } from './device-owner.js'
import type { NamedDevices } from './device-owner.js'
import type { Clock } from './handler.js'
import { acknowledge, close, isOpenedByRelayOf } from './incident-rules.js'
import type { ByWhom, CloseOutcome } from './incident-rules.js'

export type CancelOutcome = CloseOutcome | { is: 'unknown-device' }

/** What people do to an incident once it is open. */
export function createIncidentActions(options: {
  incidents: IncidentStore
  users: UserStore
  clock: Clock
  log: Log
}) {
  const { incidents, users, clock, log } = options
  const newStamp = () => ({ now: clock.now(), incidentId: randomUUID(), eventId: randomUUID() })

  function logged<Outcome extends CloseOutcome>(outcome: Outcome): Outcome {
    if (outcome.is !== 'closed') return outcome
    const { appId, userId, incidentId, status } = outcome.incident
    log.info({ appId, userId, eventId: outcome.eventId, incidentId, status }, 'incident closed')
    return outcome
  }

  async function closeOwn(user: User, status: 'cancelled' | 'resolved'): Promise<CloseOutcome> {
    const rule = close(status, newStamp(), { by: `user ${user.externalUserId}` })
    return logged(await incidents.change(user, [], rule))
  }

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
          return closeOwn(user, 'cancelled')
        case 'other': {
          const byWhom = { by: `relayer ${user.externalUserId}` }
          const rule = close('cancelled', newStamp(), byWhom, isOpenedByRelayOf(user))
          return logged(await incidents.change(found.owner, [], rule))
        }
      }
    },

    resolve: (user: User): Promise<CloseOutcome> => closeOwn(user, 'resolved'),

    /** By the partner's backend or an operator. null: the app has no such incident, or it is closed. */
    async acknowledge(appId: string, incidentId: string, byWhom: ByWhom): Promise<Incident | null> {
      const known = await incidents.read(appId, incidentId)
      if (!known) return null
      const stamp = newStamp()
      const rule = acknowledge(stamp, byWhom, (open) => open.incidentId === incidentId)
      const outcome = await incidents.change(known, [], rule)
      if (outcome.is === 'acknowledged')
        log.info({ appId, userId: known.userId, eventId: stamp.eventId, incidentId }, 'incident acknowledged')
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
      const outcome = logged(await incidents.change(known, [], rule))
      return outcome.is === 'closed' ? outcome.incident : incidents.read(appId, incidentId)
    },
  }
}

export type IncidentActions = ReturnType<typeof createIncidentActions>

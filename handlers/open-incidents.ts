import type { IncidentStatus, LifecycleEvent } from '../store/store.js'
import { isOpen } from '../store/store.js'
import { userKey } from '../store/user.js'

/** An incident that is open as far as this node knows. */
export interface KnownIncident {
  incidentId: string
  status: IncidentStatus
  /** ISO 8601. */
  createdAt: string
}

/**
 * Which incidents are open, by what this node has heard: for an answer while the store cannot be asked. A client takes the
 * id of that answer for its incident's, and ignores events of any other.
 */
export interface OpenIncidents {
  /** Of the event log, or of a change that was just stored. */
  note(known: Who & Pick<LifecycleEvent, 'incidentId' | 'status' | 'version'> & Times): void
  of(user: Who): KnownIncident | null
}

type Who = Parameters<typeof userKey>[0]

/** An incident knows when it began; an event when it happened. */
interface Times {
  createdAt?: string
  at?: string
}

export function createOpenIncidents(max = OPEN_MAX): OpenIncidents {
  const open = new Map<string, KnownIncident & { version: number }>()
  return {
    note({ appId, userId, incidentId, status, version, createdAt, at }) {
      const key = userKey({ appId, userId })
      const before = open.get(key)
      const isSame = before?.incidentId === incidentId
      if (isSame && before.version > version) return // told late
      if (!isOpen(status)) {
        if (isSame) open.delete(key)
        return
      }
      const since = createdAt ?? (isSame ? before.createdAt : at) ?? new Date().toISOString()
      open.delete(key)
      open.set(key, { incidentId, status, version, createdAt: since })
      if (open.size > max) open.delete(open.keys().next().value as string)
    },
    of(user) {
      const known = open.get(userKey(user))
      return known ? pick(known) : null
    },
  }
}

function pick({ incidentId, status, createdAt }: KnownIncident): KnownIncident {
  return { incidentId, status, createdAt }
}

/** 5 MB. Whose incident is forgotten is answered with an id of its own. */
const OPEN_MAX = 20_000

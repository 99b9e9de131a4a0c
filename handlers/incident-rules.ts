import type {
  Change,
  Incident,
  IncidentStatus,
  LifecycleEvent,
  SosReport,
  UserState,
} from '../store/store.js'
import type { User } from '../store/user.js'

/**
 * The rules of an incident, in one place and pure: the store asks them inside its atomic write.
 *
 *     active ──acknowledge→ acknowledged          report: opens, or updates and keeps the state
 *        └──────┬──────────────┘                  a closed incident stays closed
 *               ├─cancel→ cancelled
 *               └─resolve→ resolved
 */

/** New identifiers and the time, made once per change so that a rule can be asked again. */
export interface Stamp {
  now: Date
  incidentId: string
  eventId: string
}

export type ReportOutcome =
  { is: 'opened' | 'updated'; incident: Incident } | { is: 'repeat'; incident: Incident | null }

/**
 * A report opens an incident or updates the open one. One that was counted in before changes nothing, unless
 * it came by a way (`mayReopen`) on which an old time is usual; then it opens a new incident after a closed one.
 */
export function report(user: User, report: SosReport, stamp: Stamp, mayReopen: boolean) {
  return ({ openIncident, isRepeat }: UserState): Change<ReportOutcome> => {
    if (isRepeat && (openIncident || !mayReopen)) return { result: { is: 'repeat', incident: openIncident } }
    const now = stamp.now.toISOString()
    const incident: Incident = openIncident
      ? {
          ...openIncident,
          version: openIncident.version + 1,
          updatedAt: now,
          reports: openIncident.reports + 1,
          report: merge(openIncident.report, report),
        }
      : {
          ...userOf(user),
          incidentId: stamp.incidentId,
          status: 'active',
          version: 1,
          createdAt: now,
          updatedAt: now,
          reports: 1,
          report,
        }
    const event = { ...eventOf(incident, 'processed', stamp), report }
    return {
      incident,
      event,
      ...(report.reportKey === undefined ? {} : { reportKey: report.reportKey }),
      result: { is: openIncident ? 'updated' : 'opened', incident },
    }
  }
}

export type CloseOutcome = { is: 'closed'; incident: Incident } | { is: 'none-open' }

/** Cancel and resolve: whoever comes first closes the incident; for everyone else none is open. */
export function close(status: 'cancelled' | 'resolved', stamp: Stamp, reason: ByWhom = {}) {
  return ({ openIncident }: UserState): Change<CloseOutcome> => {
    if (!openIncident) return { result: { is: 'none-open' } }
    const incident = moveTo(openIncident, status, stamp)
    return {
      incident,
      event: { ...eventOf(incident, status, stamp), ...reason },
      result: { is: 'closed', incident },
    }
  }
}

export type AcknowledgeOutcome = { is: 'acknowledged' | 'already'; incident: Incident } | { is: 'none-open' }

/** The first acknowledgement is an event; every later one gets the same answer and no second event. */
export function acknowledge(stamp: Stamp, reason: ByWhom = {}) {
  return ({ openIncident }: UserState): Change<AcknowledgeOutcome> => {
    if (!openIncident) return { result: { is: 'none-open' } }
    if (openIncident.status === 'acknowledged') return { result: { is: 'already', incident: openIncident } }
    const incident = moveTo(openIncident, 'acknowledged', stamp)
    const event = { ...eventOf(incident, 'acknowledged', stamp), ...reason }
    return { incident, event, result: { is: 'acknowledged', incident } }
  }
}

/** Who changed an incident, and why. */
export interface ByWhom {
  by?: string
  note?: string
}

export function isOpen(status: IncidentStatus): boolean {
  return status === 'active' || status === 'acknowledged'
}

function moveTo(
  incident: Incident,
  status: 'acknowledged' | 'cancelled' | 'resolved',
  { now }: Stamp,
): Incident {
  const at = now.toISOString()
  return { ...incident, status, version: incident.version + 1, updatedAt: at, [`${status}At`]: at }
}

function eventOf(incident: Incident, type: LifecycleEvent['type'], stamp: Stamp): LifecycleEvent {
  const { incidentId, status, version } = incident
  return {
    ...userOf(incident),
    eventId: stamp.eventId,
    type,
    incidentId,
    status,
    version,
    at: stamp.now.toISOString(),
  }
}

/** A later report without a fix or a device does not make us forget the ones we know. */
function merge(before: SosReport, now: SosReport): SosReport {
  const { raw: _raw, reportKey: _key, ...known } = before
  return { ...known, ...now }
}

function userOf({ appId, userId, externalUserId }: User): User {
  return { appId, userId, externalUserId }
}

import type {
  CancelHeard,
  Change,
  Incident,
  LifecycleEvent,
  Relayer,
  SosReport,
  UnattributedSender,
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

/** How a report came in, beside what it says. */
export interface ReportWay {
  /** Another user of the app, whose phone heard the owner's device. */
  relayer?: Relayer
  /** A time that was counted in before may open a new incident after a closed one. */
  mayReopen: boolean
  /** One more key by which it is known again, whatever its report key says. */
  copyKey?: string
  /** Nobody knows whose it is; the owner stands for who sent it. */
  unattributed?: UnattributedSender
}

/**
 * The keys by which a report is known again: its time, and its own message where the time does not tell one
 * message from another. The message counts once, however often the journal brings it.
 */
export function reportKeysOf(
  { reportKey }: SosReport,
  { eventId }: Stamp,
  { mayReopen, copyKey }: ReportWay,
): string[] {
  const message = `message ${eventId}`
  if (copyKey !== undefined && reportKey !== undefined) return [reportKey, copyKey]
  if (reportKey === undefined) return [message]
  return mayReopen ? [reportKey, message] : [reportKey]
}

/** A report opens an incident or updates the open one. One that was counted in before changes nothing. */
export function report(owner: User, report: SosReport, stamp: Stamp, way: ReportWay) {
  const { relayer, mayReopen, unattributed } = way
  const reportKeys = reportKeysOf(report, stamp, way)
  return ({ openIncident, counted }: UserState): Change<ReportOutcome> => {
    const isSameTime = report.reportKey !== undefined && counted.has(report.reportKey)
    const isSameMessage = reportKeys.some((key) => key !== report.reportKey && counted.has(key))
    if (isSameMessage || (isSameTime && (openIncident || !mayReopen)))
      return { result: { is: 'repeat', incident: openIncident } }
    const now = stamp.now.toISOString()
    const before: Incident = openIncident ?? {
      ...userOf(owner),
      incidentId: stamp.incidentId,
      status: 'active',
      version: 0,
      createdAt: now,
      updatedAt: now,
      reports: 0,
      firstReport: report,
      report,
      ...(relayer ? { openedBy: relayer } : {}),
      relayedBy: [],
      isOwnReported: false,
      ...(unattributed ? { unattributed } : {}),
    }
    const incident: Incident = {
      ...before,
      version: before.version + 1,
      updatedAt: now,
      reports: before.reports + 1,
      report: openIncident ? merge(before.report, report) : report,
      relayedBy: relayer ? withRelayer(before.relayedBy, relayer) : before.relayedBy,
      isOwnReported: before.isOwnReported || !relayer,
    }
    return {
      incident,
      event: {
        ...eventOf(incident, 'processed', stamp),
        report,
        ...(relayer ? { relayedBy: relayer } : {}),
        ...(unattributed ? { unattributed } : {}),
      },
      ...(report.position
        ? { trailPoint: { occurredAt: report.positionAt ?? report.timestamp, position: report.position } }
        : {}),
      reportKeys,
      result: { is: openIncident ? 'updated' : 'opened', incident },
    }
  }
}

export type CloseOutcome =
  { is: 'closed'; incident: Incident; eventId: string } | { is: 'none-open' } | { is: 'not-allowed' }

/**
 * Cancel and resolve: whoever comes first closes the incident; for everyone else none is open. `may` says
 * whether this incident is one that the asker may close.
 */
export function close(
  status: 'cancelled' | 'resolved',
  stamp: Stamp,
  reason: ByWhom = {},
  may: (incident: Incident) => boolean = () => true,
) {
  return ({ openIncident }: UserState): Change<CloseOutcome> => {
    if (!openIncident) return { result: { is: 'none-open' } }
    if (!may(openIncident)) return { result: { is: 'not-allowed' } }
    const incident = moveTo(openIncident, status, stamp)
    return {
      incident,
      event: { ...eventOf(incident, status, stamp), ...reason },
      result: { is: 'closed', incident, eventId: stamp.eventId },
    }
  }
}

export type AcknowledgeOutcome = { is: 'acknowledged' | 'already'; incident: Incident } | { is: 'none-open' }

/** The first acknowledgement is an event; every later one gets the same answer and no second event. */
export function acknowledge(
  stamp: Stamp,
  reason: ByWhom = {},
  may: (incident: Incident) => boolean = () => true,
) {
  return ({ openIncident }: UserState): Change<AcknowledgeOutcome> => {
    if (!openIncident || !may(openIncident)) return { result: { is: 'none-open' } }
    if (openIncident.status === 'acknowledged') return { result: { is: 'already', incident: openIncident } }
    const incident = moveTo(openIncident, 'acknowledged', stamp)
    const event = { ...eventOf(incident, 'acknowledged', stamp), ...reason }
    return { incident, event, result: { is: 'acknowledged', incident } }
  }
}

export type NoteOutcome = { is: 'noted' | 'repeat'; incident: Incident } | { is: 'none-open' }

/** A cancel that was only heard stands in the story of the open incident, and changes no state. */
export function noteCancel(stamp: Stamp, cancelHeard: CancelHeard, keys: readonly string[]) {
  return ({ openIncident, counted }: UserState): Change<NoteOutcome> => {
    if (!openIncident) return { result: { is: 'none-open' } }
    if (keys.some((key) => counted.has(key))) return { result: { is: 'repeat', incident: openIncident } }
    const now = stamp.now.toISOString()
    const incident = { ...openIncident, version: openIncident.version + 1, updatedAt: now, cancelHeard }
    const { unattributed } = incident
    const event = {
      ...eventOf(incident, 'cancel-heard', stamp),
      cancelHeard,
      ...(unattributed ? { unattributed } : {}),
    }
    return { incident, event, reportKeys: [...keys], result: { is: 'noted', incident } }
  }
}

/** A relayer may cancel what his own relays opened, as long as the owner has not reported himself. */
export function isOpenedByRelayOf(relayer: User) {
  return ({ openedBy, isOwnReported }: Incident): boolean =>
    openedBy?.userId === relayer.userId && !isOwnReported
}

/** Who changed an incident, and why. */
export interface ByWhom {
  by?: string
  note?: string
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

/** The same relayer twice is one; beyond RELAYERS_MAX the event log alone knows. */
function withRelayer(relayers: Relayer[], relayer: Relayer): Relayer[] {
  const isKnown = relayers.some(({ userId }) => userId === relayer.userId)
  return isKnown ? relayers : [...relayers, relayer].slice(-RELAYERS_MAX)
}

const RELAYERS_MAX = 20

function userOf({ appId, userId, externalUserId }: User): User {
  return { appId, userId, externalUserId }
}

import { TRAIL_POINTS } from '../../store/store.js'
import type { Ledger, MessageKind, Publication } from './ledger.js'
import type { Stored } from './stored.js'

export interface Comparison {
  acknowledged: Record<MessageKind, number>
  /** Of what was acknowledged. */
  found: Record<MessageKind, number>
  /** Stored although it was not acknowledged: allowed, because the answer may be what was lost. */
  unacknowledged: Record<MessageKind, number>
  lost: number
  duplicated: number
  /** Reports that were counted in behind one that the same connection sent later. */
  overtaken: number
  /** One line for each thing that must not be, lost and duplicated included. */
  problems: string[]
}

/** Compares what was acknowledged with what is stored, while nothing is under way. */
export function compare(
  { publications, closed, acknowledged }: Pick<Ledger, 'publications' | 'closed' | 'acknowledged'>,
  stored: Stored,
): Comparison {
  const problems: string[] = []
  const byTimestamp = new Map(publications.map((publication) => [publication.timestamp, publication]))
  const reports = countSos(stored, publications, problems)
  const telemetry = countTelemetry(stored, publications, problems)
  const found = { sos: 0, telemetry: 0 }
  const unacknowledged = { sos: 0, telemetry: 0 }
  let lost = 0
  let duplicated = 0
  for (const { n, kind, isAcknowledged } of publications) {
    const times = (kind === 'sos' ? reports : telemetry).get(n) ?? 0
    if (times > 0) (isAcknowledged ? found : unacknowledged)[kind]++
    if (times === 0 && isAcknowledged) {
      lost++
      problems.push(`lost: ${kind} ${n} was acknowledged and is not stored`)
    }
    if (times > 1) {
      duplicated++
      problems.push(`duplicated: ${kind} ${n} is stored ${times} times`)
    }
  }
  checkIncidents(stored, problems)
  checkTrails(stored, byTimestamp, problems)
  for (const incidentId of lostClosings(stored, closed)) {
    lost++
    problems.push(`lost: incident ${incidentId} was closed, and is not`)
  }
  return {
    acknowledged: { ...acknowledged },
    found,
    unacknowledged,
    lost,
    duplicated,
    overtaken: countOvertaken(stored, publications),
    problems,
  }
}

/** How often each report was counted in: one `processed` event each, in an incident of its user. */
function countSos({ events, incidents }: Stored, publications: readonly Publication[], problems: string[]) {
  const counts = new Map<number, number>()
  const owners = new Map(incidents.map(({ id, user }) => [id, user.userId]))
  const eventIds = new Set<string>()
  for (const { eventId, type, incidentId, userId, report } of events) {
    if (eventIds.has(eventId)) problems.push(`event ${eventId} is in the log twice`)
    eventIds.add(eventId)
    if (owners.get(incidentId) !== userId)
      problems.push(`event ${eventId} is of an incident that is not there`)
    if (type !== 'processed') continue
    const n = report?.fields?.n as number
    const sent = publications[n]
    if (sent?.kind !== 'sos' || sent.user.userId !== userId || sent.timestamp !== report?.timestamp)
      problems.push(`event ${eventId} tells of a report that nobody sent`)
    counts.set(n, (counts.get(n) ?? 0) + 1)
  }
  return counts
}

function countTelemetry({ telemetry }: Stored, publications: readonly Publication[], problems: string[]) {
  const counts = new Map<number, number>()
  for (const { userId, occurredAt, fields } of telemetry) {
    const n = fields.n as number
    const sent = publications[n]
    if (sent?.kind !== 'telemetry' || sent.user.userId !== userId || sent.timestamp !== occurredAt)
      problems.push(`telemetry of ${occurredAt} was sent by nobody`)
    counts.set(n, (counts.get(n) ?? 0) + 1)
  }
  return counts
}

/** Versions 1, 2, 3 … in the order of the log; the incident is what its last event says; one open per user. */
function checkIncidents({ events, incidents, openIncidents }: Stored, problems: string[]): void {
  const story = new Map<string, { version: number; status: string; reports: number }>()
  for (const { incidentId, version, status, type } of events) {
    const before = story.get(incidentId) ?? { version: 0, status: 'active', reports: 0 }
    if (version !== before.version + 1)
      problems.push(`incident ${incidentId}: version ${version} follows ${before.version}`)
    if (isClosed(before.status)) problems.push(`incident ${incidentId}: ${type} after ${before.status}`)
    story.set(incidentId, { version, status, reports: before.reports + (type === 'processed' ? 1 : 0) })
  }
  for (const { id, status, reports, actuators } of incidents) {
    const told = story.get(id)
    const is = `${status}, version ${actuators.snapshotVersion}, ${reports} reports`
    const should = told && `${told.status}, version ${told.version}, ${told.reports} reports`
    if (is !== should) problems.push(`incident ${id} is ${is}; its events say ${should}`)
  }
  if (new Set(incidents.map(({ id }) => id)).size !== incidents.length)
    problems.push('an incident is in the list twice')
  const open = openIncidents.map(({ id }) => id).toSorted()
  const shouldBeOpen = incidents.filter(({ status }) => !isClosed(status)).map(({ id }) => id)
  if (open.join() !== shouldBeOpen.toSorted().join())
    problems.push(`${open.length} incidents are listed as open; ${shouldBeOpen.length} are`)
  if (new Set(openIncidents.map(({ user }) => user.userId)).size !== open.length)
    problems.push('a user has two open incidents')
}

/** Each report is once in the trail of its incident, each telemetry at most once in any; both of its user. */
function checkTrails(stored: Stored, byTimestamp: Map<string, Publication>, problems: string[]): void {
  const incidentOf = new Map(
    stored.events.flatMap(({ type, incidentId, report }) =>
      type === 'processed' && report ? [[report.timestamp, incidentId] as const] : [],
    ),
  )
  const owners = new Map(stored.incidents.map(({ id, user }) => [id, user.userId]))
  const seen = new Set<string>()
  for (const { incidentId, times } of stored.trails) {
    for (const time of times) {
      const sent = byTimestamp.get(time)
      if (seen.has(time)) problems.push(`the point of ${time} is in trails twice`)
      seen.add(time)
      if (sent?.user.userId !== owners.get(incidentId))
        problems.push(`the point of ${time} is in a foreign trail`)
      if (sent?.kind === 'sos' && incidentOf.get(time) !== incidentId)
        problems.push(`the point of ${time} is in the trail of another incident`)
    }
  }
  const full = new Set(
    stored.trails.flatMap(({ incidentId, times }) => (times.length < TRAIL_POINTS ? [] : incidentId)),
  )
  for (const [time, incidentId] of incidentOf) {
    if (!seen.has(time) && !full.has(incidentId)) problems.push(`the report of ${time} is in no trail`)
  }
}

function lostClosings({ events }: Stored, closed: ReadonlySet<string>): string[] {
  const stored = new Set(events.flatMap(({ incidentId, status }) => (isClosed(status) ? [incidentId] : [])))
  return [...closed].filter((incidentId) => !stored.has(incidentId))
}

function countOvertaken({ events }: Stored, publications: readonly Publication[]): number {
  const newest = new Map<string, number>()
  let overtaken = 0
  for (const { type, userId, report } of events) {
    const n = report?.fields?.n as number
    if (type !== 'processed' || !publications[n]?.isInOrder) continue
    if (n < (newest.get(userId) ?? -1)) overtaken++
    else newest.set(userId, n)
  }
  return overtaken
}

function isClosed(status: string): boolean {
  return status === 'cancelled' || status === 'resolved'
}

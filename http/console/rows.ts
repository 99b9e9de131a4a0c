import type { DeliveryNote } from '../../store/deliveries.js'
import { isDrill } from '../../store/drill-user.js'
import type { Incident, LifecycleEvent, SosReport, Store, TelemetryRecord } from '../../store/store.js'
import type { Delivery, IncidentRow, Person, Place, StoryEntry } from './wire.js'

type Stores = Pick<Store, 'users' | 'telemetry'>

/** Incidents as the list shows them, each with the newest place that is known, be it of a report or of telemetry. */
export function readRows(stores: Stores, incidents: readonly Incident[]): Promise<IncidentRow[]> {
  return Promise.all(
    incidents.map(async (incident) => {
      if (incident.unattributed) return rowOf(incident, '', null)
      const [{ profile }, last] = await Promise.all([
        stores.users.read(incident),
        stores.telemetry.readLastPosition(incident),
      ])
      return rowOf(incident, profile.name, last)
    }),
  )
}

function rowOf(incident: Incident, name: string, last: TelemetryRecord | null): IncidentRow {
  const { report, openedBy, unattributed, cancelHeard } = incident
  const here = placeNow(report, last)
  const device = report.hardwareId ?? report.deviceId
  return {
    appId: incident.appId,
    id: incident.incidentId,
    status: incident.status,
    version: incident.version,
    createdAt: incident.createdAt,
    updatedAt: incident.updatedAt,
    reports: incident.reports,
    person: personOf(incident, name),
    relayedBy: incident.relayedBy.map(({ externalUserId }) => externalUserId),
    ...present({
      acknowledgedAt: incident.acknowledgedAt,
      ...here,
      device,
      message: report.message,
      trigger: report.triggerSource,
      openedByRelay: openedBy?.externalUserId,
      unattributed,
      cancelHeardAt: cancelHeard?.at,
      isDrill: isDrill(incident) ? (true as const) : undefined,
    }),
    ...batteriesOf(here.isTelemetry ? { ...report.fields, ...last?.fields } : report.fields),
  }
}

/** The later one; a phone that cannot say when it was there is believed less than one that can. */
function placeNow(report: SosReport, last: TelemetryRecord | null) {
  const reportedAt = report.positionAt ?? report.timestamp
  const isTelemetry =
    last?.position !== undefined && (!report.position || Date.parse(last.occurredAt) > Date.parse(reportedAt))
  if (isTelemetry)
    return { place: placeOf(last.position, last.fields), placeAt: last.occurredAt, isTelemetry }
  if (!report.position) return { isTelemetry }
  return { place: placeOf(report.position, report.fields), placeAt: reportedAt, isTelemetry }
}

export function personOf(
  { userId, externalUserId }: Pick<Person, 'userId' | 'externalUserId'>,
  name: string,
): Person {
  return { userId, externalUserId, ...(name === '' ? {} : { name }) }
}

export function placeOf(
  position: { latitude: number; longitude: number; altitude?: number } | undefined,
  fields: Record<string, unknown> = {},
): Place | undefined {
  if (!position) return undefined
  const accuracy = fields.horizontalAccuracyMeters ?? fields.accuracy
  return { ...position, ...(typeof accuracy === 'number' && accuracy > 0 ? { accuracy } : {}) }
}

/** Older clients send a number, newer ones an object for the wearable. */
export function batteriesOf(fields: Record<string, unknown> = {}) {
  const { deviceBattery: device, mobileBattery: phone } = fields
  const range = typeof device === 'object' && device !== null && 'range' in device ? device.range : undefined
  const words =
    typeof range === 'string' ? range.slice(0, 20) : typeof device === 'number' ? `${device}` : undefined
  return {
    ...(words === undefined ? {} : { deviceBattery: words }),
    ...(typeof phone === 'number' ? { phoneBattery: phone } : {}),
  }
}

export function storyEntryOf(event: LifecycleEvent, notes: readonly DeliveryNote[]): StoryEntry {
  const { at, type, version, by, note, relayedBy, report, cancelHeard } = event
  return {
    at,
    type,
    version,
    deliveries: notes.map(deliveryOf),
    ...present({ by, note, relayedBy: relayedBy?.externalUserId, heardBy: cancelHeard?.gatewayId }),
    ...(report
      ? {
          report: {
            timestamp: report.timestamp,
            ...present({
              place: placeOf(report.position, report.fields),
              device: report.hardwareId ?? report.deviceId,
              message: report.message,
              trigger: report.triggerSource,
              fields: report.fields,
            }),
          },
        }
      : {}),
  }
}

function deliveryOf({ at, sessions, webhookId, attempts, gaveUp }: DeliveryNote): Delivery {
  return { at, ...present({ sessions, webhookId, attempts, gaveUp }) }
}

type Present<Given> = { [Key in keyof Given]?: Exclude<Given[Key], undefined> }

/** Without what is undefined, and without what only this file knows. */
export function present<Given extends object>(given: Given): Omit<Present<Given>, 'isTelemetry'> {
  return Object.fromEntries(
    Object.entries(given).filter(([key, value]) => value !== undefined && key !== 'isTelemetry'),
  ) as Omit<Present<Given>, 'isTelemetry'>
}

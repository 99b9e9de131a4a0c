import { z } from 'zod'
import type { Incident, SosReport } from '../store/store.js'

/** The incident as the SDK reads it: `state` and `status` are the same word; what is not known is absent. */
export const incidentBody = z.object({
  id: z.uuid(),
  state: z.enum(['active', 'acknowledged', 'cancelled', 'resolved']),
  status: z.enum(['active', 'acknowledged', 'cancelled', 'resolved']),
  createdAt: z.string(),
  timestamp: z.string(),
  latitude: z.number().optional(),
  longitude: z.number().optional(),
  altitude: z.number().optional(),
  deviceId: z.string().optional(),
  hardwareId: z.string().optional(),
  triggerSource: z.string().optional(),
  source: z.string().optional(),
  message: z.string().optional(),
  acknowledgedAt: z.string().optional(),
  cancelledAt: z.string().optional(),
  resolvedAt: z.string().optional(),
  actuators: z.object({ snapshotVersion: z.number().int(), items: z.array(z.never()) }),
})

export type IncidentView = z.infer<typeof incidentBody>

export function viewIncident(incident: Incident): IncidentView {
  const { report, acknowledgedAt, cancelledAt, resolvedAt } = incident
  return {
    ...viewCore(incident, report.timestamp),
    ...report.position,
    ...pick(report, ['deviceId', 'hardwareId', 'triggerSource', 'source', 'message']),
    ...(acknowledgedAt === undefined ? {} : { acknowledgedAt }),
    ...(cancelledAt === undefined ? {} : { cancelledAt }),
    ...(resolvedAt === undefined ? {} : { resolvedAt }),
  }
}

/** What a relayer is told of somebody else's incident: that it was taken, and nothing about the owner. */
export function viewRelayed(incident: Incident): IncidentView {
  return viewCore(incident, incident.updatedAt)
}

function viewCore({ incidentId, status, createdAt, version }: Incident, timestamp: string): IncidentView {
  return {
    id: incidentId,
    state: status,
    status,
    createdAt,
    timestamp,
    actuators: { snapshotVersion: version, items: [] },
  }
}

function pick<Key extends keyof SosReport>(report: SosReport, names: Key[]): Pick<SosReport, Key> {
  return Object.fromEntries(
    names.flatMap((name) => (report[name] === undefined ? [] : [[name, report[name]]])),
  ) as Pick<SosReport, Key>
}

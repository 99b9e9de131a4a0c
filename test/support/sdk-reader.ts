import { z } from 'zod'
import type { HttpAnswer } from './http.js'

/**
 * Reads the answers of the SDK's surface as strictly as its readers do, written after sections 8 and 9 of the
 * wire contract and not after the broker's own schemas: a field too many, too few, null or of the wrong case
 * throws.
 */
const isoDate = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/)
  .refine((text) => !Number.isNaN(Date.parse(text)))
const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
const word = z.enum(['active', 'acknowledged', 'resolved', 'cancelled'])

const incidentFields = {
  id: uuid,
  state: word,
  status: word,
  createdAt: isoDate,
  timestamp: isoDate,
  latitude: z.number().optional(),
  longitude: z.number().optional(),
  altitude: z.number().optional(),
  deviceId: z.string().min(1).optional(),
  hardwareId: z.string().min(1).optional(),
  triggerSource: z.string().min(1).optional(),
  source: z.string().min(1).optional(),
  message: z.string().min(1).optional(),
  acknowledgedAt: isoDate.optional(),
  cancelledAt: isoDate.optional(),
  resolvedAt: isoDate.optional(),
  actuators: z
    .strictObject({ snapshotVersion: z.int().min(1), items: z.array(z.looseObject({})) })
    .optional(),
}
const sameWord = ({ state, status }: { state: string; status: string }) => state === status
const incident = z.strictObject(incidentFields).refine(sameWord, 'state and status are the same word')

const point = { occurredAt: isoDate, latitude: z.number(), longitude: z.number(), altitude: z.number() }
const pastIncident = z
  .strictObject({
    ...incidentFields,
    creationTelemetry: z.strictObject({ id: z.string().min(1), ...point }).nullable(),
    trail: z.array(z.strictObject(point)),
  })
  .refine(sameWord, 'state and status are the same word')

const user = z.strictObject({
  id: uuid,
  app_id: z.string().min(1),
  external_user_id: z.string().min(1),
  name: z.string(),
  email: z.string(),
  phone: z.string(),
  address: z.string(),
})
const device = z.strictObject({
  id: uuid,
  hardware_id: z.string().min(1),
  firmware_version: z.string(),
  hardware_model: z.string(),
  // As the phone wrote it; Dart writes local times without a zone.
  paired_at: z.string().refine((text) => !Number.isNaN(Date.parse(text))),
  created_at: isoDate,
  updated_at: isoDate,
})
const contact = z.strictObject({
  id: uuid,
  name: z.string().min(1),
  phone: z.string(),
  email: z.string(),
  priority: z.int(),
  language: z.string(),
  createdAt: isoDate,
  updatedAt: isoDate,
})
const failure = z.strictObject({
  error: z.strictObject({ code: z.string().regex(/^[a-z_]+$/), message: z.string().min(1) }),
})

export type SdkIncident = z.infer<typeof incident>
export type SdkPastIncident = z.infer<typeof pastIncident>

export const readIncident = (answer: HttpAnswer): SdkIncident =>
  read(answer, 200, z.strictObject({ incident })).incident
export const readIncidentOrNull = (answer: HttpAnswer): SdkIncident | null =>
  read(answer, 200, z.strictObject({ incident: incident.nullable() })).incident
export const readHistory = (answer: HttpAnswer) =>
  read(
    answer,
    200,
    z.strictObject({
      incidents: z.array(pastIncident),
      pagination: z
        .strictObject({ next_cursor: z.string().min(1).nullable(), has_more: z.boolean() })
        .refine((page) => page.has_more === (page.next_cursor !== null)),
    }),
  )
export const readUser = (answer: HttpAnswer) => read(answer, 200, z.strictObject({ user })).user
export const readDevice = (answer: HttpAnswer) => read(answer, 200, z.strictObject({ device })).device
export const readDevices = (answer: HttpAnswer) =>
  read(answer, 200, z.strictObject({ devices: z.array(device) })).devices
export const readContact = (answer: HttpAnswer, status: 200 | 201) =>
  read(answer, status, z.strictObject({ contact })).contact
export const readContacts = (answer: HttpAnswer) =>
  read(answer, 200, z.strictObject({ contacts: z.array(contact) })).contacts

/** The envelope of a refusal with this status: `{"error":{"code","message"}}` as JSON. */
export const readError = (answer: HttpAnswer, status: number) => read(answer, status, failure).error

/** An answer without a body. */
export function readNothing({ status, text }: HttpAnswer): void {
  if (status !== 204 || text !== '') throw new Error(`204 and no body expected, got ${status} ${text}`)
}

function read<Schema extends z.ZodType>(answer: HttpAnswer, status: number, schema: Schema): z.infer<Schema> {
  if (answer.status !== status) throw new Error(`${status} expected, got ${answer.status} ${answer.text}`)
  const parsed = schema.safeParse(answer.json)
  if (!parsed.success) throw new Error(`${z.prettifyError(parsed.error)}\nin ${answer.text}`)
  return parsed.data
}

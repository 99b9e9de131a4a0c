import { z } from 'zod'
import type { LifecycleEvent, LoggedEvent } from './store.js'

/** Grows when a field goes or changes its meaning. New fields may come at any time. docs/events.md */
export const EVENT_SCHEMA = 1

/** An event as the backend surface and web hooks tell it. */
export function toEventJson({ logId, event }: LoggedEvent): EventJson {
  return { schema: EVENT_SCHEMA, id: logId, ...event }
}

const about = <Schema extends z.ZodType>(schema: Schema, text: string): Schema => schema.describe(text)
const time = z.string()
const degrees = z.number()

const person = {
  userId: about(z.string(), 'his UUID'),
  externalUserId: about(z.string(), 'his id in the partner’s system'),
}

/** Every field with its meaning; docs/events.md holds the same, and a test compares. */
export const eventJson = z.strictObject({
  schema: about(z.literal(EVENT_SCHEMA), 'version of this schema'),
  id: about(z.string(), 'place in the app’s event log: what to resume behind'),
  eventId: about(z.string(), 'UUID of the event: the same whenever and however it is delivered'),
  type: about(
    z.enum(['processed', 'acknowledged', 'cancelled', 'resolved', 'cancel-heard']),
    'what happened; see below',
  ),
  appId: about(z.string(), 'the app'),
  userId: about(z.string(), 'UUID of the person in distress'),
  externalUserId: about(z.string(), 'the same person’s id in the partner’s system'),
  incidentId: about(z.string(), 'UUID of the incident'),
  status: about(
    z.enum(['active', 'acknowledged', 'cancelled', 'resolved']),
    'state of the incident after this event',
  ),
  version: about(
    z.number().int(),
    '1, 2, 3 … within an incident, without a gap: what tells order and a missed event',
  ),
  at: about(time, 'the server’s time of the change'),
  report: about(
    z.strictObject({
      timestamp: about(time, 'the phone’s time, as it wrote it where that was usable, else the server’s'),
      reportKey: about(
        z.string(),
        'the same in microseconds since 1970; absent when the server’s clock stands in',
      ).optional(),
      position: about(
        z.strictObject({
          latitude: about(degrees, 'degrees, WGS 84'),
          longitude: about(degrees, 'degrees, WGS 84'),
          altitude: about(z.number(), 'metres').optional(),
        }),
        'absent without a fix',
      ).optional(),
      positionAt: about(time, '`timestamp` of the report that brought the position').optional(),
      deviceId: about(z.string(), 'as it was sent').optional(),
      hardwareId: about(z.string(), 'as it was sent').optional(),
      triggerSource: about(z.string(), 'as it was sent').optional(),
      source: about(z.string(), 'as it was sent').optional(),
      message: about(z.string(), 'what the person wrote').optional(),
      fields: about(z.record(z.string(), z.unknown()), 'every other field, as it came').optional(),
      raw: about(z.string(), 'Base64 of a payload that was no JSON object').optional(),
    }),
    'of `processed`: the report that was counted in',
  ).optional(),
  relayedBy: about(
    z.strictObject(person),
    'of `processed`: whose phone relayed it, if not his own',
  ).optional(),
  by: about(z.string(), 'who did it, where a person did').optional(),
  note: about(z.string(), 'what that person wrote').optional(),
  unattributed: about(
    z.strictObject({
      sender: about(z.string(), 'node id, hardware id, `radio:` with a 16-bit id, or `*`'),
      why: about(z.string(), 'what kept it from being somebody’s'),
      name: about(z.string(), 'what the sender calls itself').optional(),
    }),
    'nobody knows whose call it is: `userId` stands for who sent it',
  ).optional(),
  cancelHeard: about(
    z.strictObject({
      at: about(time, 'when it was heard'),
      by: about(z.enum(['user', 'app']), 'who ended the SOS, as the wearable says'),
      becomes: about(z.enum(['inactive', 'resolved']), 'what it becomes, as the wearable says').optional(),
      sender: about(z.string(), 'the node that said so; nothing proves it'),
      gatewayId: about(z.string(), 'the gateway that brought it'),
      heardBy: about(z.string(), 'the node that heard it').optional(),
    }),
    'of `cancel-heard`: a wearable said by radio that its SOS is over',
  ).optional(),
})

export type EventJson = { schema: typeof EVENT_SCHEMA; id: string } & LifecycleEvent

/** The schema and the type are one: neither has a field that the other lacks. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
true satisfies Same<keyof z.infer<typeof eventJson>, keyof EventJson>
true satisfies Same<
  keyof NonNullable<z.infer<typeof eventJson>['report']>,
  keyof NonNullable<EventJson['report']>
>
true satisfies Same<
  keyof NonNullable<z.infer<typeof eventJson>['cancelHeard']>,
  keyof NonNullable<EventJson['cancelHeard']>
>

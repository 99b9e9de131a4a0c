import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readNamedDevices } from '../../handlers/device-owner.js'
import type { Handler } from '../../handlers/handler.js'
import type { CancelOutcome, IncidentActions } from '../../handlers/incidents.js'
import { readDeviceId } from '../../handlers/payload.js'
import type { Incident, IncidentStore, TrailPoint } from '../../store/store.js'
import { errorBody, HttpError } from '../errors.js'
import { pageQuery, paginate, pagination } from '../fields.js'
import { incidentBody, viewIncident, viewRelayed } from '../incident-view.js'

export interface SosRoutesOptions {
  incidents: IncidentStore
  actions: IncidentActions
  sos: Handler
  /** Resolves when the event has gone to the sessions of this node, or after a short limit. */
  whenDelivered: (eventId: string) => Promise<void>
}

const oneIncident = z.object({ incident: incidentBody })
const maybeIncident = z.object({ incident: incidentBody.nullable() })

const point = z.object({
  occurredAt: z.string(),
  latitude: z.number(),
  longitude: z.number(),
  altitude: z.number(),
})
const history = z.object({
  incidents: z.array(
    incidentBody.extend({
      creationTelemetry: point.extend({ id: z.string() }).nullable(),
      trail: z.array(point),
    }),
  ),
  pagination,
})

/** The user's own SOS: the same handlers, incidents and events as over MQTT. */
export function sosRoutes({
  incidents,
  actions,
  sos,
  whenDelivered,
}: SosRoutesOptions): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/sos',
      { schema: { summary: 'The open incident, or null', response: { 200: maybeIncident, 503: errorBody } } },
      async ({ principal }) => {
        const incident = await incidents.readOpen(principal)
        return { incident: incident && viewIncident(incident) }
      },
    )

    app.post(
      '/sos',
      {
        config: { isRawBody: true },
        schema: { summary: 'Report an SOS', response: { 200: oneIncident, 422: errorBody, 503: errorBody } },
      },
      async ({ principal, body }) => {
        const outcome = await sos({ user: principal, payload: body as Buffer, way: 'http' })
        if (outcome.is !== 'accepted') throw new HttpError(422, 'validation_error', outcome.why)
        const incident = outcome.incident as Incident
        return { incident: outcome.relay ? viewRelayed(incident) : viewIncident(incident) }
      },
    )

    app.post(
      '/sos/cancel',
      {
        schema: {
          summary: 'Cancel the open incident, or with a device the one that own relays opened',
          body: z.record(z.string(), z.unknown()).nullish(),
          response: { 200: maybeIncident, 409: errorBody, 422: errorBody },
        },
      },
      async ({ principal, body }) => {
        const given = body ?? {}
        // An id that cannot be read names a device all the same: it must not cancel the own incident instead.
        if (DEVICE_FIELDS.some((name) => isGiven(given[name]) && readDeviceId(given[name]) === undefined))
          throw new HttpError(422, 'validation_error', 'deviceId: no such device')
        return answer(await actions.cancel(principal, readNamedDevices(given)), principal.userId)
      },
    )

    app.post(
      '/sos/resolve',
      { schema: { summary: 'Resolve the open incident', response: { 200: maybeIncident } } },
      async ({ principal }) => answer(await actions.resolve(principal), principal.userId),
    )

    app.get(
      '/sos/history',
      {
        schema: {
          summary: 'Own incidents, newest first',
          querystring: pageQuery,
          response: { 200: history },
        },
      },
      async ({ principal, query }) => {
        const page = await incidents.readHistory(principal, query.limit, query.cursor)
        const trails = await Promise.all(
          page.entries.map(({ appId, incidentId }) => incidents.readTrail(appId, incidentId)),
        )
        return {
          incidents: page.entries.map((incident, i) => ({
            ...viewIncident(incident),
            creationTelemetry: viewCreation(incident),
            trail: (trails[i] ?? []).slice(-TRAIL_SHOWN).map(viewPoint),
          })),
          pagination: paginate(page.nextCursor),
        }
      },
    )

    /** An older app throws when its own event comes after the answer, so the event goes first. */
    async function answer(outcome: CancelOutcome, askerId: string) {
      switch (outcome.is) {
        case 'none-open':
          return { incident: null }
        case 'not-allowed':
          throw new HttpError(
            409,
            'not_associated',
            'deviceId: its incident is not one that you opened by relay',
          )
        case 'unknown-device':
          throw new HttpError(422, 'validation_error', 'deviceId: no such device')
        case 'closed':
          await whenDelivered(outcome.eventId)
          return {
            incident:
              outcome.incident.userId === askerId
                ? viewIncident(outcome.incident)
                : viewRelayed(outcome.incident),
          }
      }
    }
  }
}

/** Points of each trail in a list: enough to draw the way, small enough for a phone. */
const TRAIL_SHOWN = 200

function viewCreation({ incidentId, firstReport: { position, timestamp } }: Incident) {
  return position ? { id: incidentId, ...viewPoint({ occurredAt: timestamp, position }) } : null
}

/** The SDK writes altitude 0 where it knows none, and reads a number. */
function viewPoint({ occurredAt, position: { latitude, longitude, altitude } }: TrailPoint) {
  return { occurredAt, latitude, longitude, altitude: altitude ?? 0 }
}

const DEVICE_FIELDS = ['deviceId', 'hardwareId', 'originatorNodeId', 'nodeId']

function isGiven(id: unknown): boolean {
  return id !== undefined && id !== null && id !== ''
}

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { IncidentActions } from '../../handlers/incidents.js'
import type { Incident, IncidentStore } from '../../store/store.js'
import { errorBody, notFound } from '../errors.js'
import { pageQuery, paginate, pagination, text } from '../fields.js'
import { incidentBody, viewIncident } from '../incident-view.js'

const person = z.object({ userId: z.uuid(), externalUserId: z.string() })
export const backendIncident = incidentBody.extend({
  user: person,
  updatedAt: z.string(),
  reports: z.number().int(),
  positionAt: z.string().optional(),
  openedBy: person.optional(),
  relayedBy: z.array(person),
  fields: z.record(z.string(), z.unknown()).optional(),
  raw: z.string().optional(),
  cancelHeard: z.record(z.string(), z.unknown()).optional(),
  unattributed: z.record(z.string(), z.unknown()).optional(),
})
export const point = z.object({
  occurredAt: z.string(),
  latitude: z.number(),
  longitude: z.number(),
  altitude: z.number().optional(),
})
const byId = z.object({ id: z.string() })
export const byWhom = z.object({ by: text(128).optional(), note: text(1_000).optional() }).nullish()
const oneIncident = z.object({ incident: backendIncident })

/** An app's incidents for the partner's own server. */
export function backendIncidentRoutes(options: {
  incidents: IncidentStore
  actions: IncidentActions
}): FastifyPluginAsyncZod {
  const { incidents, actions } = options
  return async (app) => {
    app.get(
      '/incidents',
      {
        schema: {
          summary: 'Incidents of the app, newest first',
          querystring: pageQuery.extend({ state: z.enum(['open', 'all']).default('open') }),
          response: { 200: z.object({ incidents: z.array(backendIncident), pagination }) },
        },
      },
      async ({ appId, query }) => {
        const page = await incidents.readAll(appId, query.state, query.limit, query.cursor)
        return { incidents: page.entries.map(view), pagination: paginate(page.nextCursor) }
      },
    )

    app.get(
      '/incidents/:id',
      {
        schema: {
          summary: 'One incident with its trail',
          params: byId,
          response: { 200: oneIncident.extend({ trail: z.array(point) }), 404: errorBody },
        },
      },
      async ({ appId, params }) => {
        const incident = await incidents.read(appId, params.id)
        if (!incident) throw notFound('incident')
        const trail = await incidents.readTrail(appId, params.id)
        return {
          incident: view(incident),
          trail: trail.map(({ occurredAt, position }) => ({ occurredAt, ...position })),
        }
      },
    )

    app.post(
      '/incidents/:id/acknowledge',
      {
        schema: {
          summary: 'Acknowledge an open incident; the phone is told once',
          params: byId,
          body: byWhom,
          response: { 200: oneIncident, 404: errorBody },
        },
      },
      async ({ appId, params, body }) => {
        const incident = await actions.acknowledge(appId, params.id, whom(body))
        if (!incident) throw notFound('open incident')
        return { incident: view(incident) }
      },
    )

    for (const [verb, status] of [
      ['resolve', 'resolved'],
      ['cancel', 'cancelled'],
    ] as const) {
      app.post(
        `/incidents/:id/${verb}`,
        {
          schema: {
            summary: `Move an open incident to ${status}; a closed one stays as it is`,
            params: byId,
            body: byWhom,
            response: { 200: oneIncident, 404: errorBody },
          },
        },
        async ({ appId, params, body }) => {
          const incident = await actions.close(appId, params.id, status, whom(body))
          if (!incident) throw notFound('incident')
          return { incident: view(incident) }
        },
      )
    }
  }
}

export function whom(body: z.infer<typeof byWhom>): { by: string; note?: string } {
  return { by: body?.by ?? 'backend', ...(body?.note === undefined ? {} : { note: body.note }) }
}

export function view(incident: Incident): z.infer<typeof backendIncident> {
  const {
    userId,
    externalUserId,
    updatedAt,
    reports,
    openedBy,
    relayedBy,
    report,
    cancelHeard,
    unattributed,
  } = incident
  return {
    ...viewIncident(incident),
    user: { userId, externalUserId },
    updatedAt,
    reports,
    ...(report.positionAt === undefined ? {} : { positionAt: report.positionAt }),
    ...(openedBy ? { openedBy } : {}),
    relayedBy,
    ...(report.fields ? { fields: report.fields } : {}),
    ...(report.raw === undefined ? {} : { raw: report.raw }),
    ...(cancelHeard ? { cancelHeard: { ...cancelHeard } } : {}),
    ...(unattributed ? { unattributed: { ...unattributed } } : {}),
  }
}

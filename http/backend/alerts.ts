import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { IncidentActions } from '../../handlers/incidents.js'
import type { Incident, IncidentStore } from '../../store/store.js'
import { errorBody, notFound } from '../errors.js'
import { pageQuery, paginate, pagination } from '../fields.js'
import { backendIncident, byWhom, point, view as viewIncident, whom } from './incidents.js'

const alert = backendIncident
  .omit({ user: true, openedBy: true, relayedBy: true, unattributed: true })
  .extend({
    /** A node id, a hardware id, `radio:<16-bit id>`, or `*` for several. */
    sender: z.string(),
    why: z.string(),
    name: z.string().optional(),
  })
const byId = z.object({ id: z.string() })
const oneAlert = z.object({ alert })

/** Calls for help of which nobody knows whose they are: open and closed as incidents are, by the backend alone. */
export function backendAlertRoutes(options: {
  incidents: IncidentStore
  actions: IncidentActions
}): FastifyPluginAsyncZod {
  const { incidents, actions } = options

  async function read(appId: string, id: string): Promise<Incident> {
    const incident = await incidents.read(appId, id)
    if (!incident?.unattributed) throw notFound('alert')
    return incident
  }

  return async (app) => {
    app.get(
      '/alerts',
      {
        schema: {
          summary: 'SOS of nodes that are nobody’s, newest first',
          querystring: pageQuery.extend({ state: z.enum(['open', 'all']).default('open') }),
          response: { 200: z.object({ alerts: z.array(alert), pagination }) },
        },
      },
      async ({ appId, query: { state, limit, cursor } }) => {
        const page = await incidents.readAll(appId, `${state}-unattributed`, limit, cursor)
        return { alerts: page.entries.map(view), pagination: paginate(page.nextCursor) }
      },
    )

    app.get(
      '/alerts/:id',
      {
        schema: {
          summary: 'One such SOS with its trail',
          params: byId,
          response: { 200: oneAlert.extend({ trail: z.array(point) }), 404: errorBody },
        },
      },
      async ({ appId, params }) => {
        const incident = await read(appId, params.id)
        const trail = await incidents.readTrail(appId, params.id)
        return {
          alert: view(incident),
          trail: trail.map(({ occurredAt, position }) => ({ occurredAt, ...position })),
        }
      },
    )

    const change = (
      verb: string,
      summary: string,
      act: (appId: string, id: string, by: ReturnType<typeof whom>) => Promise<Incident | null>,
    ) =>
      app.post(
        `/alerts/:id/${verb}`,
        { schema: { summary, params: byId, body: byWhom, response: { 200: oneAlert, 404: errorBody } } },
        async ({ appId, params, body }) => {
          await read(appId, params.id)
          const changed = await act(appId, params.id, whom(body))
          if (!changed) throw notFound('open alert')
          return { alert: view(changed) }
        },
      )

    change('acknowledge', 'Acknowledge an open alert', actions.acknowledge)
    change('resolve', 'Move an open alert to resolved; a closed one stays as it is', (appId, id, by) =>
      actions.close(appId, id, 'resolved', by),
    )
    change('cancel', 'Move an open alert to cancelled; a closed one stays as it is', (appId, id, by) =>
      actions.close(appId, id, 'cancelled', by),
    )
  }
}

function view(incident: Incident): z.infer<typeof alert> {
  const {
    user: _user,
    openedBy: _by,
    relayedBy: _relayers,
    unattributed: _sender,
    ...shown
  } = viewIncident(incident)
  return { ...shown, ...(incident.unattributed ?? { sender: '', why: '' }) }
}

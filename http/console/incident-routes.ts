import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RevokedUsers } from '../../auth/revoked-users.js'
import type { IncidentActions } from '../../handlers/incidents.js'
import type { DeliveryNote } from '../../store/deliveries.js'
import type { Incident, Store, WhichIncidents } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { notFound } from '../errors.js'
import { text } from '../fields.js'
import { readRows, storyEntryOf } from './rows.js'
import { createStories } from './story.js'
import type { Story } from './story.js'
import type { IncidentRow, IncidentStory } from './wire.js'

export interface ConsoleIncidentOptions {
  store: Store
  actions: IncidentActions
  revokedUsers: Pick<RevokedUsers, 'revokedAt'>
  sessionsOf: (user: User) => { sessionId: string }[]
}

/** Incidents of one app, those that are nobody's among them; `appId` was checked against the session. */
export function consoleIncidentRoutes(options: ConsoleIncidentOptions): FastifyPluginAsyncZod {
  const { store, actions } = options
  const readStory = createStories(store.events)
  const byId = z.object({ appId: z.string(), id: z.string() })

  return async (app) => {
    app.get(
      '/incidents',
      { schema: { querystring: z.object({ state: z.enum(['open', 'closed']).default('open') }) } },
      async ({ appId, query }) => {
        const found =
          query.state === 'open' ? await readOpen(store, appId) : await readClosed(store, appId, CLOSED_SHOWN)
        return { incidents: await readRows(store, found) }
      },
    )

    app.get('/incidents/:id', { schema: { params: byId } }, async ({ appId, params }) => {
      const incident = await store.incidents.read(appId, params.id)
      if (!incident) throw notFound('incident')
      return tell(options, incident, readStory)
    })

    const act = (
      verb: string,
      change: (appId: string, id: string, whom: { by: string; note?: string }) => Promise<Incident | null>,
    ) =>
      app.post(
        `/incidents/:id/${verb}`,
        { schema: { params: byId, body: z.object({ note: text(1_000).optional() }).nullish() } },
        async ({ appId, params, body, console: { by } }): Promise<{ incident: IncidentRow }> => {
          const note = body?.note?.trim()
          const changed = await change(appId, params.id, { by, ...(note ? { note } : {}) })
          if (!changed) throw notFound('open incident')
          const [row] = await readRows(store, [changed])
          return { incident: row as IncidentRow }
        },
      )
    act('acknowledge', actions.acknowledge)
    act('resolve', (appId, id, whom) => actions.close(appId, id, 'resolved', whom))
  }
}

/** Every one: an SOS that a page leaves out is one that nobody sees. */
async function readOpen({ incidents }: Pick<Store, 'incidents'>, appId: string): Promise<Incident[]> {
  const lists = await Promise.all(
    (['open', 'open-unattributed'] satisfies WhichIncidents[]).map((which) =>
      incidents.readAll(appId, which, Number.MAX_SAFE_INTEGER, undefined),
    ),
  )
  return lists.flatMap(({ entries }) => entries)
}

async function readClosed(
  { incidents }: Pick<Store, 'incidents'>,
  appId: string,
  limit: number,
): Promise<Incident[]> {
  const lists = await Promise.all(
    (['all', 'all-unattributed'] satisfies WhichIncidents[]).map((which) =>
      incidents.readAll(appId, which, limit, undefined),
    ),
  )
  return lists
    .flatMap(({ entries }) => entries)
    .filter(({ status }) => status === 'cancelled' || status === 'resolved')
}

async function tell(
  { store, revokedUsers, sessionsOf }: ConsoleIncidentOptions,
  incident: Incident,
  readStory: (incident: Incident) => Promise<Story>,
): Promise<IncidentStory> {
  const [[row], trail, { story, isCut }, record, notes] = await Promise.all([
    readRows(store, [incident]),
    store.incidents.readTrail(incident.appId, incident.incidentId),
    readStory(incident),
    store.users.read(incident),
    store.deliveries.read(incident.appId, incident.incidentId),
  ])
  const { profile, devices, contacts } = record
  const notesOf = new Map<string, DeliveryNote[]>()
  for (const note of notes) notesOf.set(note.eventId, [...(notesOf.get(note.eventId) ?? []), note])
  return {
    incident: row as IncidentRow,
    trail: trail.slice(-TRAIL_SHOWN).map(({ occurredAt, position: { latitude, longitude } }) => ({
      at: occurredAt,
      latitude,
      longitude,
    })),
    story: story.map((event) => storyEntryOf(event, notesOf.get(event.eventId) ?? [])),
    isStoryCut: isCut,
    person: {
      phone: profile.phone,
      email: profile.email,
      address: profile.address,
      devices: devices.map(({ hardwareId, hardwareModel }) => `${hardwareId} ${hardwareModel}`.trim()),
      contacts: contacts.map(({ name, phone, email }) => ({ name, phone, email })),
      sessions: sessionsOf(incident).length,
      revokedAt: revokedUsers.revokedAt(incident),
    },
  }
}

const CLOSED_SHOWN = 200
const TRAIL_SHOWN = 1_000

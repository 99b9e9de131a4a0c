import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createUser, isExternalUserId } from '../../auth/identity.js'
import type { RevokedUsers } from '../../auth/revoked-users.js'
import type { Store } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { errorBody, notFound } from '../errors.js'
import { view as viewDevice } from '../sdk/devices.js'
import { view as viewIncident } from './incidents.js'

export interface BackendUserOptions {
  store: Store
  revokedUsers: Pick<RevokedUsers, 'revokedAt'>
  sessionsOf: (user: User) => { sessionId: string; transport: string; address: string; since: string }[]
}

/** What is known about one user of the app. Any external id is a user: nothing has to exist before its first SOS. */
export function backendUserRoutes({
  store,
  revokedUsers,
  sessionsOf,
}: BackendUserOptions): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/users/:externalUserId',
      {
        schema: {
          summary:
            'Profile, since when he is revoked, last position, open incident, devices, contacts, and sessions on this node',
          params: z.object({ externalUserId: z.string() }),
          response: { 200: z.record(z.string(), z.unknown()), 404: errorBody },
        },
      },
      async ({ appId, params: { externalUserId } }) => {
        if (!isExternalUserId(externalUserId)) throw notFound('user')
        const user = createUser({ appId, externalUserId })
        const [record, last, incident] = await Promise.all([
          store.users.read(user),
          store.telemetry.readLastPosition(user),
          store.incidents.readOpen(user),
        ])
        return {
          user: { id: user.userId, app_id: appId, external_user_id: externalUserId, ...record.profile },
          revokedAt: revokedUsers.revokedAt(user),
          position: last && { ...last.position, occurredAt: last.occurredAt, receivedAt: last.receivedAt },
          incident: incident && viewIncident(incident),
          devices: record.devices.map(viewDevice),
          contacts: record.contacts,
          sessions: sessionsOf(user),
        }
      },
    )
  }
}

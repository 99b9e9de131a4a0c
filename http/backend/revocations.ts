import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createUser, isExternalUserId } from '../../auth/identity.js'
import type { RevokedUsers } from '../../auth/revoked-users.js'
import type { User } from '../../store/user.js'
import { errorBody, notFound } from '../errors.js'

const schema = (summary: string) => ({
  summary,
  params: z.object({ externalUserId: z.string() }),
  response: {
    200: z.object({
      user: z.object({ userId: z.uuid(), externalUserId: z.string(), revokedAt: z.string().nullable() }),
    }),
    404: errorBody,
  },
})

/** Shuts one user out of MQTT and HTTP on every node, and lets him in again. He need never have been seen. */
export function backendRevocationRoutes(revokedUsers: RevokedUsers): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/users/:externalUserId/revoke',
      { schema: schema('End the sessions of a user and refuse him from now on; what he reported stays') },
      async ({ appId, params }) => {
        const user = readUser(appId, params.externalUserId)
        return view(user, await revokedUsers.revoke(user))
      },
    )
    app.post(
      '/users/:externalUserId/unrevoke',
      { schema: schema('Let a revoked user in again') },
      async ({ appId, params }) => {
        const user = readUser(appId, params.externalUserId)
        await revokedUsers.unrevoke(user)
        return view(user, null)
      },
    )
  }
}

function readUser(appId: string, externalUserId: string): User {
  if (!isExternalUserId(externalUserId)) throw notFound('user')
  return createUser({ appId, externalUserId })
}

function view({ userId, externalUserId }: User, revokedAt: string | null) {
  return { user: { userId, externalUserId, revokedAt } }
}

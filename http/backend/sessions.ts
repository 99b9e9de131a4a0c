import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createUser, isExternalUserId } from '../../auth/identity.js'
import type { User } from '../../store/user.js'
import { errorBody, notFound } from '../errors.js'
import { text } from '../fields.js'

const session = z.object({
  sessionId: z.string(),
  transport: z.string(),
  address: z.string(),
  since: z.string(),
  user: z.object({ userId: z.uuid(), externalUserId: z.string() }),
})

export interface SessionRoutesOptions {
  sessionsOfApp: (appId: string) => z.infer<typeof session>[]
  endSessionsOf: (user: User, by: string) => number
}

/**
 * The sessions of the node that answers. Here and not on the admin port: that one has no login and may be open to a
 * monitoring network, and who is connected from where, of every app, is nobody's business there.
 */
export function backendSessionRoutes(options: SessionRoutesOptions): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/sessions',
      {
        schema: {
          summary: 'Open MQTT sessions of the app on this node, oldest first; `count` is how many there are',
          querystring: z.object({ limit: z.coerce.number().int().min(1).max(SESSIONS_MAX).default(100) }),
          response: { 200: z.object({ sessions: z.array(session), count: z.number().int() }) },
        },
      },
      async ({ appId, query }) => {
        const open = options.sessionsOfApp(appId)
        // ISO 8601 of one length: in the order of text.
        const oldestFirst = open.toSorted((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0))
        return { sessions: oldestFirst.slice(0, query.limit), count: open.length }
      },
    )

    app.post(
      '/users/:externalUserId/kick',
      {
        schema: {
          summary: "End a user's sessions on this node; he may come back at once",
          params: z.object({ externalUserId: z.string() }),
          body: z.object({ by: text(128).optional() }).nullish(),
          response: { 200: z.object({ ended: z.number().int() }), 404: errorBody },
        },
      },
      async ({ appId, params: { externalUserId }, body }) => {
        if (!isExternalUserId(externalUserId)) throw notFound('user')
        const user = createUser({ appId, externalUserId })
        return { ended: options.endSessionsOf(user, body?.by ?? 'backend') }
      },
    )
  }
}

/** About 2.5 MB of JSON. */
const SESSIONS_MAX = 10_000

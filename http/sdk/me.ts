import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Principal } from '../../auth/login.js'
import { updateProfile } from '../../handlers/user-records.js'
import type { Profile, TelemetryStore, UserStore } from '../../store/store.js'
import { E164, text } from '../fields.js'

const userBody = z.object({
  user: z.object({
    id: z.uuid(),
    app_id: z.string(),
    external_user_id: z.string(),
    name: z.string(),
    email: z.string(),
    phone: z.string(),
    address: z.string(),
  }),
})

/** Absent stays as it is, '' clears. */
const profileInput = z.object({
  name: text(120).optional(),
  email: text(254).optional(),
  phone: z.string().regex(E164, 'is an E.164 number such as +34600000000, or empty').optional(),
  address: text(255).optional(),
})

/** The user's own profile. */
export function meRoutes({
  users,
  telemetry,
}: {
  users: UserStore
  telemetry: TelemetryStore
}): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/me',
      { schema: { summary: 'Own profile', response: { 200: userBody } } },
      async ({ principal }) => {
        return view(principal, (await users.read(principal)).profile)
      },
    )

    app.put(
      '/me',
      { schema: { summary: 'Change the own profile', body: profileInput, response: { 200: userBody } } },
      async ({ principal, body }) => {
        const changes = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))
        return view(principal, await users.change(principal, updateProfile(changes)))
      },
    )

    app.delete(
      '/me',
      {
        schema: {
          summary: 'Forget profile, contacts, devices and positions; an open incident stays',
          response: { 204: z.null() },
        },
      },
      async ({ principal }, reply) => {
        await users.change(principal, () => ({ record: null, result: undefined }))
        await telemetry.forget(principal)
        return reply.status(204).send(null)
      },
    )
  }
}

function view({ userId, appId, externalUserId }: Principal, profile: Profile): z.infer<typeof userBody> {
  return { user: { id: userId, app_id: appId, external_user_id: externalUserId, ...profile } }
}

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../../handlers/handler.js'
import {
  addContact,
  CONTACTS_MAX,
  removeContact,
  reorderContacts,
  replaceContact,
} from '../../handlers/user-records.js'
import type { UserStore } from '../../store/store.js'
import { errorBody, HttpError, notFound } from '../errors.js'
import { optionalText, text } from '../fields.js'

const contactBody = z.object({
  id: z.uuid(),
  name: z.string(),
  phone: z.string(),
  email: z.string(),
  priority: z.number(),
  language: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
})
const oneContact = z.object({ contact: contactBody })
const byId = z.object({ id: z.string() })

const contactInput = z.object({
  name: text(120).refine((name) => name.trim() !== '', 'is empty'),
  phone: optionalText(32),
  email: optionalText(254),
  priority: z.int('is a whole number').min(0, 'is 0 or more').max(1_000, 'is at most 1000').default(1),
  language: optionalText(35),
})

/** Whom to call: in the order of their priority. */
export function contactRoutes({ users, clock }: { users: UserStore; clock: Clock }): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/contacts',
      {
        schema: { summary: 'Own contacts', response: { 200: z.object({ contacts: z.array(contactBody) }) } },
      },
      async ({ principal }) => ({ contacts: (await users.read(principal)).contacts }),
    )

    app.post(
      '/contacts',
      {
        schema: {
          summary: 'Add a contact',
          body: contactInput,
          response: { 201: oneContact, 422: errorBody },
        },
      },
      async ({ principal, body }, reply) => {
        const contact = await users.change(principal, addContact(body, clock.now().toISOString()))
        if (!contact)
          throw new HttpError(422, 'validation_error', `contacts: a user has at most ${CONTACTS_MAX}`)
        return reply.status(201).send({ contact })
      },
    )

    app.put(
      '/contacts/reorder',
      {
        schema: {
          summary: 'Put all contacts into this order',
          body: z.object({ order: z.array(z.string()).max(CONTACTS_MAX) }),
          response: { 204: z.null(), 404: errorBody },
        },
      },
      async ({ principal, body }, reply) => {
        const outcome = await users.change(principal, reorderContacts(body.order, clock.now().toISOString()))
        if (outcome === 'unknown-contact') throw notFound('contact')
        if (outcome === 'incomplete')
          throw new HttpError(400, 'invalid_payload', 'order: names every contact once')
        return reply.status(204).send(null)
      },
    )

    app.put(
      '/contacts/:id',
      {
        schema: {
          summary: 'Replace a contact',
          params: byId,
          body: contactInput,
          response: { 200: oneContact, 404: errorBody },
        },
      },
      async ({ principal, params, body }) => {
        const contact = await users.change(
          principal,
          replaceContact(params.id, body, clock.now().toISOString()),
        )
        if (!contact) throw notFound('contact')
        return { contact }
      },
    )

    app.delete(
      '/contacts/:id',
      { schema: { summary: 'Remove a contact', params: byId, response: { 204: z.null(), 404: errorBody } } },
      async ({ principal, params }, reply) => {
        if (!(await users.change(principal, removeContact(params.id)))) throw notFound('contact')
        return reply.status(204).send(null)
      },
    )
  }
}

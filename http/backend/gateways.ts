import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { gatewayUsername, problemOfGatewayName } from '../../auth/gateway-names.js'
import type { GatewayName } from '../../auth/gateway-names.js'
import type { Gateways, NewToken } from '../../auth/gateways.js'
import { gatewaySettings } from '../../handlers/mesh/gateway-settings.js'
import type { GatewayEndpoint } from '../../handlers/mesh/gateway-settings.js'
import type { GatewayRecord } from '../../store/gateways.js'
import { errorBody, HttpError, notFound } from '../errors.js'
import { optionalText } from '../fields.js'

/** One connection of a gateway to the node that answers. */
export interface GatewaySessionView {
  sessionId: string
  transport: string
  address: string
  since: string
  /** Of MQTT: 3.1, 3.1.1 or 5.0. */
  version: string
  /** Null before the first. */
  lastPublicationAt: string | null
  /** The mesh node that it last spoke for, where its topics name one. */
  nodeId: string | null
}

export interface GatewayRoutesOptions {
  gateways: Gateways
  sessionsOf: (name: GatewayName) => GatewaySessionView[]
  /** Where nodes reach the broker, when a backend asked for it under this host name. */
  endpointFor: (hostName: string) => GatewayEndpoint
}

/** The partner's mesh gateways: made, listed, given another token, and shut out. */
export function backendGatewayRoutes(options: GatewayRoutesOptions): FastifyPluginAsyncZod {
  const { gateways, sessionsOf, endpointFor } = options
  const viewOf = (appId: string, record: GatewayRecord) => {
    const name = { appId, gatewayId: record.gatewayId }
    return view(name, record, sessionsOf(name))
  }
  const made = (appId: string, { gateway, token }: NewToken, hostName: string) => {
    const username = gatewayUsername({ appId, gatewayId: gateway.gatewayId })
    return {
      gateway: viewOf(appId, gateway),
      token,
      settings: gatewaySettings({ username, token, endpoint: endpointFor(hostName) }),
    }
  }
  return async (app) => {
    app.post(
      '/gateways',
      {
        schema: {
          summary: 'Let a mesh gateway in; its token is told here and never again',
          body: z.object({ gatewayId: z.string('is a string'), note: optionalText(200) }),
          response: { 201: madeBody, 409: errorBody, 422: errorBody },
        },
      },
      async ({ appId, hostname, body: { gatewayId, note } }, reply) => {
        const name = { appId, gatewayId }
        const problem = problemOfGatewayName(name)
        if (problem !== null) throw new HttpError(422, 'validation_error', `gatewayId: ${problem}`)
        const outcome = await gateways.create(name, note)
        if (outcome.is !== 'made') throw outcome.is === 'exists' ? alreadyThere() : tooMany()
        return reply.status(201).send(made(appId, outcome, hostname))
      },
    )
    app.get(
      '/gateways',
      {
        schema: {
          summary: 'Gateways of the app by id, with their sessions on this node',
          response: { 200: z.object({ gateways: z.array(gatewayBody) }) },
        },
      },
      async ({ appId }) => ({
        gateways: (await gateways.list(appId)).map((record) => viewOf(appId, record)),
      }),
    )
    app.post(
      '/gateways/:gatewayId/rotate',
      {
        schema: {
          summary: 'Give a gateway another token; the one before it stays good unless endOld is true',
          params: byId,
          body: z.object({ endOld: z.boolean('is true or false').default(false) }).nullish(),
          response: { 200: madeBody, 404: errorBody },
        },
      },
      async ({ appId, hostname, params, body }) => {
        const rotated = await gateways.rotate({ appId, ...params }, { endsOld: body?.endOld ?? false })
        if (!rotated) throw notFound('gateway')
        return made(appId, rotated, hostname)
      },
    )
    app.delete(
      '/gateways/:gatewayId/old-token',
      {
        schema: {
          summary: 'End every token of a gateway but its newest, and the sessions that came in by them',
          params: byId,
          response: { 200: z.object({ gateway: gatewayBody }), 404: errorBody },
        },
      },
      async ({ appId, params }) => {
        const record = await gateways.endOldToken({ appId, ...params })
        if (!record) throw notFound('gateway')
        return { gateway: viewOf(appId, record) }
      },
    )
    app.delete(
      '/gateways/:gatewayId',
      {
        schema: {
          summary: 'Shut a gateway out and end its sessions on every node; what it brought stays',
          params: byId,
          response: { 204: z.null(), 404: errorBody },
        },
      },
      async ({ appId, params }, reply) => {
        if (!(await gateways.remove({ appId, ...params }))) throw notFound('gateway')
        return reply.status(204).send(null)
      },
    )
  }
}

const alreadyThere = () =>
  new HttpError(409, 'exists', 'there is a gateway of this id: rotate its token, or delete it first')
const tooMany = () => new HttpError(409, 'too_many', 'the app has as many gateways as one may have')

const byId = z.object({ gatewayId: z.string() })
const gatewayBody = z.object({
  gatewayId: z.string(),
  username: z.string(),
  note: z.string(),
  createdAt: z.string(),
  tokens: z.array(z.object({ createdAt: z.string() })),
  sessions: z.array(
    z.object({
      sessionId: z.string(),
      transport: z.string(),
      address: z.string(),
      since: z.string(),
      version: z.string(),
      lastPublicationAt: z.string().nullable(),
      nodeId: z.string().nullable(),
    }),
  ),
})
const values = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
const madeBody = z.object({
  gateway: gatewayBody,
  token: z.string(),
  settings: z.object({ node: values, channel: values, wearables: values, notes: z.array(z.string()) }),
})

function view(name: GatewayName, record: GatewayRecord, sessions: GatewaySessionView[]) {
  const { gatewayId, note, createdAt, tokens } = record
  return {
    gatewayId,
    username: gatewayUsername(name),
    note,
    createdAt,
    tokens: tokens.map((token) => ({ createdAt: token.createdAt })),
    sessions,
  }
}

import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { GatewayStatuses } from '../../handlers/mesh/gateway-status.js'
import type { HeardNodes } from '../../handlers/mesh/heard-nodes.js'
import type { RecentWhose } from '../../handlers/mesh/whose-node.js'
import { whyNothingArrives } from '../../handlers/mesh/why-nothing.js'
import { errorBody, notFound } from '../errors.js'

export interface MeshStatusOptions {
  statuses: GatewayStatuses
  heard: HeardNodes
  whose: Pick<RecentWhose, 'ask'>
}

const counts = z.record(z.string(), z.number().int())
const gatewayStatus = z.object({
  gatewayId: z.string(),
  lastHeardAt: z.string(),
  /** What became of what it published. */
  outcomes: counts,
  /** Node ids under which it published, the latest first. */
  nodes: z.array(z.string()),
  undecryptable: counts,
  envelopes: z.number().int(),
  json: z.number().int(),
})
const hint = z.object({
  code: z.string(),
  text: z.string(),
  gatewayId: z.string().optional(),
  node: z.string().optional(),
  channel: z.string().optional(),
  count: z.number().int().optional(),
})

/** What an operator sees of the mesh, as far as the broker that answers has seen it since its start. */
export function meshStatusRoutes({ statuses, heard, whose }: MeshStatusOptions): FastifyPluginAsyncZod {
  const view = ({ own: _own, others: _others, ...status }: ReturnType<GatewayStatuses['of']>[number]) => ({
    ...status,
    outcomes: status.outcomes as Record<string, number>,
    lastHeardAt: new Date(status.lastHeardAt).toISOString(),
  })

  return async (app) => {
    app.get(
      '/mesh',
      {
        schema: {
          summary: 'What became of what gateways published, and why nothing arrives',
          response: { 200: z.object({ gateways: z.array(gatewayStatus), why: z.array(hint) }) },
        },
      },
      async ({ appId }) => {
        const nodes = (await heard.list(appId)).toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
        const unmapped = new Set<string>()
        for (let at = 0; at < nodes.length; at += AT_ONCE) {
          const some = nodes.slice(at, at + AT_ONCE)
          const owners = await Promise.all(some.map(({ nodeId }) => whose.ask(appId, { nodeId })))
          owners.forEach(
            ({ is }, i) => is === 'nobody' && unmapped.add((some[i] as { nodeId: string }).nodeId),
          )
        }
        const gateways = statuses.of(appId)
        return { gateways: gateways.map(view), why: whyNothingArrives(gateways, nodes, unmapped) }
      },
    )

    app.get(
      '/mesh/gateways/:gatewayId',
      {
        schema: {
          summary: 'The same of one gateway; 404 when it published nothing here',
          params: z.object({ gatewayId: z.string() }),
          response: { 200: z.object({ gateway: gatewayStatus, why: z.array(hint) }), 404: errorBody },
        },
      },
      async ({ appId, params }) => {
        const status = statuses.of(appId).find(({ gatewayId }) => gatewayId === params.gatewayId)
        if (!status) throw notFound('gateway that published something')
        return { gateway: view(status), why: whyNothingArrives([status], [], new Set()) }
      },
    )
  }
}

const AT_ONCE = 50

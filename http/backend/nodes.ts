import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { HeardNodes } from '../../handlers/mesh/heard-nodes.js'
import type { KnownNodes } from '../../handlers/mesh/known-nodes.js'
import { nodeIdOf, readNodeId } from '../../store/node-ids.js'
import type { RecentWhose, Whose } from '../../handlers/mesh/whose-node.js'
import { NODES_MAX } from '../../store/mesh.js'
import type { HeardNode, MeshNode } from '../../store/mesh.js'
import { deviceKey } from '../../store/store.js'
import type { UserStore } from '../../store/store.js'
import { errorBody, HttpError } from '../errors.js'
import { text } from '../fields.js'

export interface NodeRouteOptions {
  nodes: KnownNodes
  heard: HeardNodes
  whose: Pick<RecentWhose, 'ask'>
  users: UserStore
}

const person = z.object({ userId: z.uuid(), externalUserId: z.string() })
const nodeBody = z.object({
  nodeId: z.string(),
  /** `mapped` to a user, `suggested` to be one's, or `unclaimed`. */
  state: z.enum(['mapped', 'suggested', 'unclaimed']),
  user: person.nullable(),
  /** Why it is his: `explicit`, `key`, `mac`; or nobody's: `unmapped`, `declared`, `unregistered`, `several-users`. */
  why: z.string(),
  /** Of the mapping that was made here; null where it was declared nobody's. */
  hardwareId: z.string().nullable().optional(),
  radioId: z.number().int().optional(),
  suggestion: z.object({ hardwareId: z.string() }).optional(),
  /** The key that is remembered, and whether the node shows another one now. */
  publicKey: z.string().optional(),
  hasOtherKey: z.boolean().optional(),
  heard: z.record(z.string(), z.unknown()).nullable(),
})
const oneNode = z.object({ node: nodeBody })

const nodeId = z.string().transform((given, context) => {
  const number = readNodeId(given)
  if (number !== null && number >= FIRST_NODE_NUMBER && number <= LAST_NODE_NUMBER) return nodeIdOf(number)
  context.addIssue({ code: 'custom', message: 'is a node number: ! and eight hex digits' })
  return z.NEVER
})
const byNodeId = z.object({ nodeId })
const nodeQuery = z.object({
  state: z.enum(['mapped', 'suggested', 'unclaimed', 'all']).default('all'),
  after: z.preprocess((value) => (value === '' ? undefined : value), nodeId.optional()),
  limit: z.coerce.number().int().min(1).max(200, 'is at most 200').default(100),
})

/** Whose the nodes of the app's mesh are. */
export function nodeRoutes({ nodes, heard, whose, users }: NodeRouteOptions): FastifyPluginAsyncZod {
  async function view(appId: string, id: string, row: MeshNode | undefined, last: HeardNode | undefined) {
    const whoseIs = await whose.ask(appId, { nodeId: id })
    const suggestion =
      whoseIs.is === 'nobody' && whoseIs.why === 'unmapped' ? await suggest(appId, last) : null
    return viewNode(id, whoseIs, row, last, suggestion)
  }

  /** A MAC address that a node claims, which is the one of a registered device or two below it. */
  async function suggest(appId: string, last: HeardNode | undefined): Promise<string | null> {
    if (last?.mac === undefined) return null
    for (const hardwareId of [last.mac, bluetoothMacOf(last.mac)])
      if ((await users.ownersOf(appId, deviceKey(hardwareId))).length > 0) return hardwareId
    return null
  }

  async function viewOne(appId: string, id: string) {
    const { byId } = await nodes.of(appId)
    const all = await heard.list(appId)
    return view(
      appId,
      id,
      byId.get(id),
      all.find((one) => one.nodeId === id),
    )
  }

  return async (app) => {
    app.get(
      '/nodes',
      {
        schema: {
          summary: 'Nodes of the mesh by number: whose they are, and how they were heard last',
          querystring: nodeQuery,
          response: { 200: z.object({ nodes: z.array(nodeBody), next: z.string().nullable() }) },
        },
      },
      async ({ appId, query }) => {
        await nodes.refresh(appId)
        const { byId } = await nodes.of(appId)
        const last = new Map((await heard.list(appId)).map((node) => [node.nodeId, node]))
        const ids = [...new Set([...byId.keys(), ...last.keys()])]
          .toSorted()
          .filter((id) => query.after === undefined || id > query.after)
        const shown: z.infer<typeof nodeBody>[] = []
        let next: string | null = null
        for (let at = 0; at < ids.length && next === null; at += AT_ONCE) {
          const some = ids.slice(at, at + AT_ONCE)
          for (const node of await Promise.all(
            some.map((id) => view(appId, id, byId.get(id), last.get(id))),
          )) {
            if (query.state !== 'all' && node.state !== query.state) continue
            if (shown.length < query.limit) shown.push(node)
            else next ??= (shown.at(-1) as { nodeId: string }).nodeId
          }
        }
        return { nodes: shown, next }
      },
    )

    app.put(
      '/nodes/:nodeId',
      {
        schema: {
          summary: 'Say which device a node is; hardwareId null: nobody’s',
          params: byNodeId,
          body: z.object({
            hardwareId: text(128).trim().min(1, 'is empty').nullable(),
            radioId: z.number().int().min(0).max(0xffff, 'is a number of 16 bits').nullish(),
          }),
          response: { 200: oneNode, 400: errorBody, 409: errorBody, 422: errorBody },
        },
      },
      async ({ appId, params, body }) => {
        const { hardwareId, radioId } = body
        await nodes.refresh(appId)
        const { byRadioId } = await nodes.of(appId)
        if (radioId !== undefined && radioId !== null) {
          const others = (byRadioId.get(radioId) ?? []).filter((other) => other !== params.nodeId)
          if (others.length > 0)
            throw new HttpError(409, 'not_associated', `radioId: is the one of ${others[0]}`)
        }
        const isTaken = await nodes.change(appId, params.nodeId, ({ radioId: before, ...node }) => ({
          ...node,
          hardwareId,
          ...pickRadioId(radioId === undefined ? before : radioId),
        }))
        if (!isTaken) throw new HttpError(422, 'validation_error', `nodes: an app has at most ${NODES_MAX}`)
        return { node: await viewOne(appId, params.nodeId) }
      },
    )

    app.delete(
      '/nodes/:nodeId',
      {
        schema: {
          summary: 'Forget what was said of a node and the key that it has shown',
          params: byNodeId,
          response: { 200: oneNode, 400: errorBody },
        },
      },
      async ({ appId, params }) => {
        await nodes.change(appId, params.nodeId, () => null)
        return { node: await viewOne(appId, params.nodeId) }
      },
    )
  }
}

function viewNode(
  id: string,
  whose: Whose,
  row: MeshNode | undefined,
  last: HeardNode | undefined,
  suggestion: string | null,
): z.infer<typeof nodeBody> {
  const { nodeId: _id, ...heard } = last ?? {}
  const known = whose.is === 'user' ? whose : null
  const hardwareId = row?.hardwareId === undefined ? known?.hardwareId : row.hardwareId
  return {
    nodeId: id,
    state: known ? 'mapped' : suggestion === null ? 'unclaimed' : 'suggested',
    user: known && { userId: known.user.userId, externalUserId: known.user.externalUserId },
    why: whose.is === 'user' ? whose.how : whose.why,
    ...(hardwareId === undefined ? {} : { hardwareId }),
    ...(row?.radioId === undefined ? {} : { radioId: row.radioId }),
    ...(suggestion === null ? {} : { suggestion: { hardwareId: suggestion } }),
    ...(row?.publicKey === undefined ? {} : { publicKey: row.publicKey }),
    ...(row?.publicKey !== undefined && last?.publicKey !== undefined && last.publicKey !== row.publicKey
      ? { hasOtherKey: true }
      : {}),
    heard: last ? heard : null,
  }
}

function pickRadioId(radioId: number | null | undefined): { radioId?: number } {
  return radioId === undefined || radioId === null ? {} : { radioId }
}

/** As a phone sees an ESP32 whose mesh has this address; see meshMacOfBluetooth. */
function bluetoothMacOf(mac: string): string {
  const last = (Number.parseInt(mac.slice(-2), 16) + 2) & 0xff
  return `${mac.slice(0, -2)}${last.toString(16).padStart(2, '0').toUpperCase()}`
}

/** Numbers below are reserved, the one above the last is everybody. */
const FIRST_NODE_NUMBER = 4
const LAST_NODE_NUMBER = 0xfffffffe
const AT_ONCE = 50

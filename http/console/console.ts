import type { FastifyInstance } from 'fastify'
import type { RevokedUsers } from '../../auth/revoked-users.js'
import type { ConsoleLogin } from '../../auth/console-login.js'
import type { ConsoleSessions } from '../../auth/console-session.js'
import type { Webhooks } from '../../hooks/webhooks.js'
import type { IncidentActions } from '../../handlers/incidents.js'
import type { Health } from '../../ops/admin.js'
import type { Log } from '../../ops/log.js'
import type { EventBell } from '../../store/event-bell.js'
import type { Store } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { backendGatewayRoutes } from '../backend/gateways.js'
import type { GatewayRoutesOptions } from '../backend/gateways.js'
import { meshStatusRoutes } from '../backend/mesh-status.js'
import type { MeshStatusOptions } from '../backend/mesh-status.js'
import { nodeRoutes } from '../backend/nodes.js'
import type { NodeRouteOptions } from '../backend/nodes.js'
import { notFound } from '../errors.js'
import type { AddressOf } from '../identity.js'
import { consoleFiles } from './files.js'
import { consoleIncidentRoutes } from './incident-routes.js'
import { createLive } from './live.js'
import { consoleLoginRoutes, consoleSessionRoutes, requireConsole } from './session-routes.js'
import { consoleStreamRoutes } from './stream.js'
import { consoleTrafficRoutes, readOnly } from './traffic-routes.js'
import type { PhoneSession } from './traffic-routes.js'
import { consoleWebhookRoutes } from './webhook-routes.js'
import type { SessionInfo } from './wire.js'

export interface ConsoleOptions {
  /** Where the build put the page. */
  directory: string
  tiles: SessionInfo['tiles']
  login: ConsoleLogin
  sessions: ConsoleSessions
  health: () => Promise<Health>
}

interface Parts {
  store: Store
  actions: IncidentActions
  bell: EventBell
  revokedUsers: RevokedUsers
  sessionsOf: (user: User) => { sessionId: string }[]
  sessionsOfApp: (appId: string) => PhoneSession[]
  addressOf: AddressOf
  mesh: MeshStatusOptions & Omit<NodeRouteOptions, 'users'>
  gateways: GatewayRoutesOptions
  webhooks: Pick<Webhooks, 'status' | 'deadLetters' | 'redeliver'>
  log: Log
}

/** The live page for operators: its files, its login, and what it reads and does. */
export function serveConsole(options: ConsoleOptions, parts: Parts) {
  const { login, sessions, tiles } = options
  const { store, mesh } = parts
  return async (app: FastifyInstance) => {
    const live = createLive({
      health: options.health,
      telemetry: store.telemetry,
      webhooks: parts.webhooks,
    })
    app.addHook('onClose', async () => live.stop())
    const session = { login, sessions, tiles, addressOf: parts.addressOf, log: parts.log }
    await app.register(consoleFiles({ directory: options.directory, tileUrl: tiles?.url ?? null }))
    await app.register(
      async (api: FastifyInstance) => {
        api.addHook('onRequest', async (_request, reply) => void reply.header('cache-control', 'no-store'))
        await api.register(consoleLoginRoutes(session))
        await api.register(async (inside: FastifyInstance) => {
          requireConsole(inside, sessions)
          await inside.register(consoleSessionRoutes(session))
          await inside.register(consoleStreamRoutes({ store, bell: parts.bell, live }))
          await inside.register(appRoutes, { prefix: '/apps/:appId' })
        })
      },
      { prefix: '/console/api' },
    )
  }

  async function appRoutes(app: FastifyInstance) {
    app.decorateRequest('appId')
    app.addHook('onRequest', async (request) => {
      const { appId } = request.params as { appId: string }
      // What somebody may not see is not there for him.
      if (!request.console.appIds().includes(appId)) throw notFound('app')
      request.appId = appId
    })
    await app.register(consoleIncidentRoutes(parts))
    await app.register(consoleWebhookRoutes(parts))
    await app.register(consoleTrafficRoutes({ store, sessionsOfApp: parts.sessionsOfApp }))
    await app.register(async (reads: FastifyInstance) => {
      readOnly(reads)
      await reads.register(backendGatewayRoutes(parts.gateways))
      await reads.register(meshStatusRoutes(mesh))
      await reads.register(nodeRoutes({ ...mesh, users: store.users }))
    })
  }
}

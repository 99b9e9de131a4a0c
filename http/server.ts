import type { IncomingMessage, RequestListener } from 'node:http'
import fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { GatewayName } from '../auth/gateway-names.js'
import type { Gateways } from '../auth/gateways.js'
import type { BackendLogin, Login } from '../auth/login.js'
import type { RevokedUsers } from '../auth/revoked-users.js'
import type { Clock, Handler } from '../handlers/handler.js'
import type { IncidentActions } from '../handlers/incidents.js'
import type { GatewayEndpoint } from '../handlers/mesh/gateway-settings.js'
import type { Webhooks } from '../hooks/webhooks.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { EventBell } from '../store/event-bell.js'
import type { Store } from '../store/store.js'
import type { User } from '../store/user.js'
import { eventRoutes } from './backend/events.js'
import { backendGatewayRoutes } from './backend/gateways.js'
import type { GatewaySessionView } from './backend/gateways.js'
import { backendAlertRoutes } from './backend/alerts.js'
import { backendIncidentRoutes } from './backend/incidents.js'
import { meshStatusRoutes } from './backend/mesh-status.js'
import type { MeshStatusOptions } from './backend/mesh-status.js'
import { nodeRoutes } from './backend/nodes.js'
import type { NodeRouteOptions } from './backend/nodes.js'
import { backendRevocationRoutes } from './backend/revocations.js'
import { backendSessionRoutes } from './backend/sessions.js'
import type { SessionRoutesOptions } from './backend/sessions.js'
import { webhookRoutes } from './backend/webhooks.js'
import { backendUserRoutes } from './backend/users.js'
import { serveConsole } from './console/console.js'
import type { ConsoleOptions } from './console/console.js'
import { serveDescription } from './description.js'
import { refuseDoubledHeaders } from './doubled-headers.js'
import { answerBadPath, answerErrors } from './errors.js'
import { requireBackend, requireUser } from './identity.js'
import { schemaController } from './schema-controller.js'
import { contactRoutes } from './sdk/contacts.js'
import { deviceRoutes } from './sdk/devices.js'
import { meRoutes } from './sdk/me.js'
import { sosRoutes } from './sdk/sos.js'
import { telemetryRoutes } from './sdk/telemetry.js'
import { tellOfChanges } from './under-way.js'
import type { Work } from './under-way.js'

export interface HttpOptions {
  store: Store
  login: Login
  backendLogin: BackendLogin
  /** The client's address; null when a proxy in front does not tell it. */
  addressOf: (request: IncomingMessage) => string | null
  handlers: { sos: Handler; telemetry: Handler }
  actions: IncidentActions
  /** Resolves when the event has gone to the sessions of this node, or after a short limit. */
  whenDelivered: (eventId: string) => Promise<void>
  /** Rings when an app's event log has grown. */
  bell: EventBell
  revokedUsers: RevokedUsers
  /** Sessions of a user on this node. */
  sessionsOf: (user: User) => { sessionId: string; transport: string; address: string; since: string }[]
  gateways: Gateways
  /** Sessions of a gateway on this node. */
  gatewaySessionsOf: (name: GatewayName) => GatewaySessionView[]
  /** Where nodes reach the broker, when a backend asked for it under this host name. */
  gatewayEndpointFor: (hostName: string) => GatewayEndpoint
  webhooks: Pick<Webhooks, 'status' | 'deadLetters' | 'redeliver'>
  mesh: MeshStatusOptions & Omit<NodeRouteOptions, 'users'>
  /** Every session of an app on this node. */
  sessionsOfApp: SessionRoutesOptions['sessionsOfApp']
  /** Ends a user's sessions on this node; how many there were. */
  endSessionsOf: SessionRoutesOptions['endSessionsOf']
  clock: Clock
  /** Hears of each request that may change something. */
  work: Work
  /** Origins that browsers may call from; empty: none. */
  corsOrigins: string[]
  /** Absent: there is no live page. */
  console?: ConsoleOptions | undefined
  log: Log
  metrics: Metrics
}

/** The identity's HTTP surfaces as a listener for any server, so that HTTP and WebSocket share a port. */
export async function createHttpApp(
  options: HttpOptions,
): Promise<{ onRequest: RequestListener; stop: () => Promise<void> }> {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    // The SDK's staging base URL yields //v1/….
    rewriteUrl: ({ url = '/' }) => url.replace(/^\/{2,}/, '/'),
    routerOptions: { maxParamLength: 1_024 },
    frameworkErrors: answerBadPath,
    schemaController,
  })
  answerErrors(app, options.log)
  refuseDoubledHeaders(app)
  readBodies(app)
  countRequests(app, options.metrics)
  tellOfChanges(app, options.work)
  if (options.corsOrigins.length > 0)
    await app.register(import('@fastify/cors'), {
      origin: options.corsOrigins,
      methods: ['GET', 'PUT', 'POST', 'DELETE'],
    })
  serveDescription(app)
  await app.register(sdkRoutes(options), { prefix: '/v1/sdk' })
  await app.register(backendRoutes(options), { prefix: '/v1/backend' })
  if (options.console)
    await app.register(serveConsole(options.console, { ...options, gateways: gatewayOptions(options) }))
  await app.ready()
  return { onRequest: (request, response) => app.routing(request, response), stop: () => app.close() }
}

function sdkRoutes(options: HttpOptions) {
  const { store, login, addressOf, handlers, actions, whenDelivered, clock, log } = options
  return async (app: FastifyInstance) => {
    requireUser(app, login, addressOf, log)
    await app.register(meRoutes(store))
    await app.register(sosRoutes({ incidents: store.incidents, actions, sos: handlers.sos, whenDelivered }))
    await app.register(telemetryRoutes(handlers))
    await app.register(deviceRoutes({ users: store.users, clock }))
    await app.register(contactRoutes({ users: store.users, clock }))
  }
}

function backendRoutes(options: HttpOptions) {
  const { store, backendLogin, addressOf, actions, bell, revokedUsers, mesh, log } = options
  return async (app: FastifyInstance) => {
    requireBackend(app, backendLogin, addressOf, log)
    await app.register(backendIncidentRoutes({ incidents: store.incidents, actions }))
    await app.register(backendAlertRoutes({ incidents: store.incidents, actions }))
    await app.register(nodeRoutes({ ...mesh, users: store.users }))
    await app.register(meshStatusRoutes(mesh))
    await app.register(backendUserRoutes(options))
    await app.register(backendRevocationRoutes(revokedUsers))
    await app.register(backendGatewayRoutes(gatewayOptions(options)))
    await app.register(backendSessionRoutes(options))
    await app.register(webhookRoutes(options.webhooks))
    await app.register(eventRoutes({ events: store.events, bell }))
  }
}

function gatewayOptions({ gateways, gatewaySessionsOf, gatewayEndpointFor }: HttpOptions) {
  return { gateways, sessionsOf: gatewaySessionsOf, endpointFor: gatewayEndpointFor }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route takes the body's bytes: its handler reads what no JSON parser would. */
    isRawBody?: boolean
  }
}

/** The SDK names JSON as its content also where it sends nothing; an SOS is read whatever it is named. */
function readBodies(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ raw, routeOptions }) => {
    // Fastify refuses a type that it cannot read before any parser of ours is asked.
    if (routeOptions.config.isRawBody) raw.headers['content-type'] = 'application/octet-stream'
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    if (request.routeOptions.config.isRawBody) return done(null, body)
    if (body.length === 0) return done(null, undefined)
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
      return done(Object.assign(new Error('send application/json'), { statusCode: 415 }))
    }
    try {
      done(null, JSON.parse(body.toString()))
    } catch {
      done(Object.assign(new Error('body: is no JSON'), { statusCode: 400 }))
    }
  })
}

function countRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    metrics.requests.inc({ route: request.routeOptions.url ?? 'none', status: String(reply.statusCode) })
  })
}

// The largest body is an SOS with every field, below 4 KiB; the same limit as for an MQTT packet.
const BODY_BYTES_MAX = 65_536

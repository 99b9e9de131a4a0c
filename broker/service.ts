import { EventEmitter } from 'node:events'
import { accessSync, constants, mkdirSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { ensureDemoApp, openAppRegistry } from '../auth/apps.js'
import type { AppRegistry } from '../auth/apps.js'
import { createConsoleLogin } from '../auth/console-login.js'
import { createConsoleSessions } from '../auth/console-session.js'
import { createGatewayLogin } from '../auth/gateway-login.js'
import { createGatewaysFile } from '../auth/gateways-file.js'
import { createGateways } from '../auth/gateways.js'
import { createBackendLogin, createLogin } from '../auth/login.js'
import { createRevokedUsers } from '../auth/revoked-users.js'
import { createSharedFailures } from '../auth/shared-failures.js'
import { createLoginThrottle, LOGIN_WINDOW_SECONDS } from '../auth/throttle.js'
import { mayWait } from '../auth/topics.js'
import { createAliasLearner } from '../handlers/device-alias.js'
import { createIncidentActions } from '../handlers/incidents.js'
import type { Handler } from '../handlers/handler.js'
import { isCallForHelp } from '../handlers/mesh/call-for-help.js'
import { createOpenIncidents } from '../handlers/open-incidents.js'
import { createRelayLimit } from '../handlers/relay-limit.js'
import { createSosIntake } from '../handlers/sos-intake.js'
import { createSosTaker } from '../handlers/sos.js'
import { createTelemetryHandler } from '../handlers/telemetry.js'
import { createHttpApp } from '../http/server.js'
import { createPlacesFile } from '../hooks/places-file.js'
import { createWebhooks } from '../hooks/webhooks.js'
import { createAdminServer } from '../ops/admin.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import { watchState } from '../ops/state-metrics.js'
import { createDeliveryNotes } from '../store/delivery-notes.js'
import { ensureSelfSigned, expiresAt, readCertificate } from './certificate.js'
import { watchCertificate } from './certificate-watch.js'
import type { Config } from './config.js'
import { lockDataDir } from './data-dir-lock.js'
import { createEventDelivery } from './deliver-event.js'
import { createEmbeddedPath, createRedisPath } from './durable-path.js'
import { createDoor } from './door/door.js'
import { createNetworks } from './door/networks.js'
import { createEngine } from './engine.js'
import { gatewayEndpoint } from './gateway-endpoint.js'
import { createGatewayPart } from './gateway-part.js'
import { createAdmission } from './gate/admission.js'
import { createReadingTurns } from './gate/reading-turns.js'
import { createUnderWay } from './gate/taking.js'
import { createEnginePersistence } from './engine-persistence.js'
import { readHealth } from './health.js'
import { createListeners, listen } from './listeners.js'
import type { OpenPorts } from './listeners.js'
import { watchLogLevel } from './log-level-watch.js'
import { createMesh, createMeshOwners, settingsOf } from './mesh.js'
import { openStore } from './open-store.js'
import { createPendingWork } from './pending-work.js'
import { createGatewaySessions, createSessions } from './sessions.js'
import { describeGatewaySession, describeSession, describeWithUser } from './session-views.js'
import { blame, named } from './setting-error.js'
import { endsBy, stopLimitsOf } from './stop-limits.js'

/** What runs once everything is open. */
export interface Service {
  ports: OpenPorts & { admin?: number }
  apps: AppRegistry
  certFile: string
  /** Reads certificate, apps and log level again; what is broken stays as it was, and the log says so. */
  reload(): void
  /** Takes no new connections, lets what is under way be acknowledged, and closes everything in reverse. */
  stop(): Promise<void>
}

/**
 * Builds every part, in the order in which each needs the others, and opens the ports last.
 *
 * @throws with one line that names the setting when something cannot be opened; what was open is closed again.
 */
export async function startService(config: Config, log: Log, metrics: Metrics): Promise<Service> {
  const closers: (() => unknown)[] = []
  const closeAll = async (limitMs = Infinity) => {
    const until = performance.now() + limitMs
    for (const close of closers.toReversed()) {
      try {
        const closing = Promise.resolve(close())
        if (limitMs === Infinity) await closing
        else if (!(await endsBy(until, closing)))
          log.warn('a part was not closed in time; the process ends without it')
      } catch (error) {
        log.error({ err: error as Error }, 'a part could not be closed')
      }
    }
  }
  try {
    return await openEverything(config, log, metrics, closers, closeAll)
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function openEverything(
  config: Config,
  log: Log,
  metrics: Metrics,
  closers: (() => unknown)[],
  closeAll: (limitMs?: number) => Promise<void>,
): Promise<Service> {
  makeDataDir(config.dataDir)
  if (named('APPS_FILE', () => ensureDemoApp(config.appsFile))) {
    log.warn({ file: config.appsFile }, 'there was no apps file; one with a demo app was made')
  }
  const tlsFiles = config.tls ?? (await ensureSelfSigned(config.dataDir).catch(blame('DATA_DIR')))
  const certificate = readCertificate(tlsFiles)
  if (!config.tls)
    log.warn({ certFile: tlsFiles.certFile }, 'TLS certificate is self-signed: phones will not trust it')

  const apps = named('APPS_FILE', () => openAppRegistry({ file: config.appsFile, log }))
  closers.push(() => apps.stop())
  closers.push(await lockDataDir(config.dataDir))
  const { store, redis } = await openStore(config, log, metrics)
  closers.push(() => store.stop())
  const deliveryNotes = createDeliveryNotes({ store: store.deliveries, log })
  closers.push(() => deliveryNotes.stop())
  const sessions = createSessions(config.sessions)
  const clock = { now: () => new Date() }
  const throttle = createLoginThrottle(
    config.throttle,
    redis && createSharedFailures({ client: redis.connection, windowSeconds: LOGIN_WINDOW_SECONDS }),
  )
  const revokedUsers = createRevokedUsers({ store: store.revocations, appIds: apps.appIds, clock, log })
  closers.push(() => revokedUsers.stop())
  const login = createLogin({ apps, throttle, revokedUsers })
  const gateways = createGateways({
    store: store.gateways,
    appIds: apps.appIds,
    // The embedded store is never away.
    lastKnown: redis && createGatewaysFile({ file: join(config.dataDir, 'gateways.json'), log }),
    clock,
    log,
  })
  closers.push(() => gateways.stop())
  const gatewaySessions = createGatewaySessions(config.gateways)
  const learnAlias = createAliasLearner(store.users)
  const takePhoneSos = createSosTaker({
    incidents: store.incidents,
    users: store.users,
    relayLimit: createRelayLimit(config.relayedPeoplePerHour),
    learnAlias,
  })
  const owners = createMeshOwners(store, takePhoneSos)
  const { takeSos } = owners
  const openIncidents = createOpenIncidents()
  const path = redis
    ? createRedisPath({
        store: redis,
        takeSos,
        appIds: () => apps.appIds(),
        openIncidents,
        config,
        log,
        metrics,
      })
    : createEmbeddedPath(store, config)
  closers.push(() => path.stop())
  let isStopping = false
  const health = () =>
    readHealth({
      isStopping: () => isStopping,
      path: path.health,
      closedListeners: listeners.closed,
      lagMs: door.lagMs,
      tooLateMs: door.tooLateMs,
    })
  const admin = createAdminServer({ metrics, health })
  closers.push(() => closeServer(admin))
  const underWay = createUnderWay()
  const admission = createAdmission({
    perTurn: TELEMETRY_PER_TURN,
    perTurnBesideSos: TELEMETRY_PER_TURN_BESIDE_SOS,
    underWayMax: TELEMETRY_UNDER_WAY_MAX,
    underWay,
  })
  const takeTelemetry = createTelemetryHandler({ telemetry: path.telemetry, learnAlias, clock })
  const handlers = {
    sos: createSosIntake({
      take: takeSos,
      clock,
      log,
      ...(path.fallback ? { fallback: path.fallback } : {}),
    }),
    telemetry: ((message) =>
      admission.around(takeTelemetry(message), message.payload.length)) satisfies Handler,
  }
  const mesh = createMesh({
    owners,
    store,
    path,
    sos: handlers.sos,
    around: admission.around,
    apps,
    storeTimeoutMs: config.storeTimeoutMs,
    log,
    metrics,
  })
  mesh.heard.start()
  closers.push(() => mesh.heard.stop())
  const engine = await createEngine({
    login,
    handlers,
    sessions,
    gateways: createGatewayPart({
      login: createGatewayLogin({ apps, throttle, gateways }),
      sessions: gatewaySessions,
      intake: mesh.intake,
      isCallForHelp: ({ appId }, topicName, payload) =>
        isCallForHelp(topicName, payload, settingsOf(apps.find(appId))),
      rate: config.gateways.rate,
      burst: config.gateways.burst,
      subscriptionsMax: config.sessions.subscriptionsMax,
      log,
      metrics,
    }),
    subscriptionsMax: config.sessions.subscriptionsMax,
    persistence: await createEnginePersistence(redis?.connection),
    log,
    metrics,
  })
  apps.onChange(engine.endRefusedSessions)
  revokedUsers.onChange(engine.endRefusedSessions)
  gateways.onChange(engine.endRefusedSessions)
  await Promise.all([revokedUsers.start(), gateways.start()])
  const delivery = createEventDelivery({
    sessions,
    backlogBytesMax: config.sessions.backlogBytesMax,
    note: deliveryNotes.note,
    log,
    metrics,
  })
  const bell = new EventEmitter().setMaxListeners(0)
  // Whoever waits for events looks whether he still may.
  apps.onChange(() => bell.eventNames().forEach((appId) => bell.emit(appId)))
  await store.events.follow(
    () => apps.appIds(),
    (event) => {
      openIncidents.note(event)
      delivery.deliver(event)
      bell.emit(event.appId, event)
    },
  )
  const webhooks = createWebhooks({
    ...config.webhooks,
    apps,
    events: store.events,
    store: store.webhooks,
    places: redis && createPlacesFile({ file: join(config.dataDir, 'webhooks.json'), log }),
    isAllowed: createNetworks(config.webhooks.networks).has,
    note: deliveryNotes.note,
    bell,
    log,
    metrics,
  })
  closers.push(() => webhooks.stop())
  const consolePart = ({ operators, tiles }: NonNullable<Config['console']>) => {
    const consoleSessions = createConsoleSessions({ apps, operators, now: () => Date.now() })
    return {
      directory: join(import.meta.dirname, '../console'),
      tiles,
      login: createConsoleLogin({ apps, operators, throttle, sessions: consoleSessions }),
      sessions: consoleSessions,
      health,
    }
  }
  const door = createDoor({ ...config.door, log, metrics })
  closers.push(() => door.stop())
  let openPorts: OpenPorts = {}
  const httpWork = createPendingWork()
  const http = await createHttpApp({
    work: httpWork,
    addressOf: door.addressOf,
    store: { ...store, incidents: path.incidents },
    login,
    backendLogin: createBackendLogin({ apps, throttle }),
    handlers,
    actions: createIncidentActions({ incidents: path.incidents, users: store.users, clock, log }),
    whenDelivered: delivery.whenDelivered,
    bell,
    revokedUsers,
    sessionsOf: (user) => sessions.of(user).map(describeSession),
    gateways,
    gatewaySessionsOf: (name) => gatewaySessions.of(name).map(describeGatewaySession),
    gatewayEndpointFor: (hostName) => gatewayEndpoint(config.gateways.address, hostName, openPorts),
    mesh,
    sessionsOfApp: (appId) =>
      sessions
        .all()
        .filter(({ principal }) => principal.appId === appId)
        .map(describeWithUser),
    endSessionsOf: engine.endSessionsOf,
    webhooks,
    clock,
    corsOrigins: config.corsOrigins,
    console: config.console ? consolePart(config.console) : undefined,
    log,
    metrics,
  })

  const listeners = createListeners({
    host: config.host,
    ports: config.ports,
    certificate,
    limits: config.gate,
    door,
    webSocketOrigins: config.webSocketOrigins,
    isPaced: mayWait,
    admission,
    turns: createReadingTurns({ perTurn: CONNECTIONS_READ_PER_TURN }),
    underWay,
    onConnect: engine.handle,
    onPublish: engine.takePublication,
    onRequest: http.onRequest,
    log,
    metrics,
  })
  closers.push(async () => {
    const until = performance.now() + stopLimitsOf(config.drainMs).underWayMs
    listeners.stopAccepting()
    await engine.stop(config.drainMs)
    await http.stop() // takes no new requests from here on
    if (!(await endsBy(until, httpWork.whenNone())))
      log.warn({ count: httpWork.count }, 'HTTP requests under way were given up; none of them was answered')
    listeners.stop()
  })
  const certificateWatch = watchCertificate({
    files: tlsFiles,
    certificate,
    onChange: listeners.useCertificate,
    log,
  })
  closers.push(() => certificateWatch.stop())
  const logLevel = watchLogLevel(config.logLevelFile, log)
  closers.push(() => logLevel.stop())
  const state = {
    appIds: apps.appIds,
    countOpenIncidents: store.incidents.countOpen,
    awayApps: path.awayApps,
    unreadableLogs: () => redis?.unreadableLogs(apps.appIds()).length ?? 0,
    redisConnections: () => redis?.connections() ?? [],
    isDurable: async () => (await store.durability()).isDurable,
    loopLagMs: door.lagMs,
    telemetryLoad: () => admission.load,
    sosUnderWay: () => underWay.count,
    certificateExpiresAt: () => expiresAt(certificateWatch.current().cert),
  }
  watchState(metrics.registry, state)
  const ports: Service['ports'] = await listeners.start()
  openPorts = ports
  path.start()
  webhooks.start()
  if (config.admin.port !== null)
    ports.admin = await listen(admin, config.admin.host, config.admin.port, 'ADMIN_PORT')
  return {
    ports,
    apps,
    certFile: tlsFiles.certFile,
    reload() {
      logLevel.reload()
      certificateWatch.reload()
      apps.reload()
    },
    stop() {
      isStopping = true
      return closeAll(stopLimitsOf(config.drainMs).partsMs)
    },
  }
}

function makeDataDir(dataDir: string): void {
  named('DATA_DIR', () => {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    accessSync(dataDir, constants.W_OK)
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** About 2 ms of work: an SOS waits for a few turns. A third less, and Redis gets a quarter fewer in a second. */
const TELEMETRY_PER_TURN = 48
/** So it waits for shorter turns, and fewer collections of garbage; others' telemetry goes on even beside a flood of SOS. */
const TELEMETRY_PER_TURN_BESIDE_SOS = 8
/** All of them may be done in one turn: 10 ms of answers. With half of it the embedded store took less than half as many. */
const TELEMETRY_UNDER_WAY_MAX = 512
/** Of 32 packets each: about 3 ms of checks. */
const CONNECTIONS_READ_PER_TURN = 8

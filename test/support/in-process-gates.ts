import { duplexPair } from 'node:stream'
import type { Duplex } from 'node:stream'
import { createLogin } from '../../auth/login.js'
import { createLoginThrottle } from '../../auth/throttle.js'
import { mayWait } from '../../auth/topics.js'
import { createEnginePersistence } from '../../broker/engine-persistence.js'
import { createEngine } from '../../broker/engine.js'
import { createAdmission } from '../../broker/gate/admission.js'
import { createReadingTurns } from '../../broker/gate/reading-turns.js'
import { createUnderWay } from '../../broker/gate/taking.js'
import { Gate } from '../../broker/gate/gate.js'
import { createGatewayPart } from '../../broker/gateway-part.js'
import { createGatewaySessions, createSessions } from '../../broker/sessions.js'
import { createAliasLearner } from '../../handlers/device-alias.js'
import { createRelayLimit } from '../../handlers/relay-limit.js'
import { createSosIntake } from '../../handlers/sos-intake.js'
import { createSosTaker } from '../../handlers/sos.js'
import { createTelemetryHandler } from '../../handlers/telemetry.js'
import { createLog } from '../../ops/log.js'
import { createMetrics } from '../../ops/metrics.js'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'

export interface InProcessGates {
  /** The client's end of a new connection whose other end is a gate. */
  open(): Duplex
  /** Gates that are not closed yet, and sessions that the engine still knows. */
  openGates(): number
  sessions(): number
  /** Resolves when everything that was handed to the store before is on the disk. */
  stored(): Promise<unknown>
  stop(): Promise<void>
}

/** Gates over memory with the real engine, login, handlers and embedded store behind them; no sockets, no log. */
export async function createInProcessGates(
  directory: string,
  { appId, secret }: { appId: string; secret: string },
): Promise<InProcessGates> {
  const retention = { telemetryPerApp: 100, eventsPerApp: 1_000, reportKeysPerUser: 500, days: 1 }
  const store = openEmbeddedStore({ directory, retention })
  const sessions = createSessions({ perUser: 1_000 })
  const metrics = createMetrics()
  const clock = { now: () => new Date() }
  const { log } = createLog({ level: 'silent', isTerminal: false })
  const app = { appId, secrets: [secret], disabled: false }
  const throttle = { failuresPerIdentity: 1, failuresPerAddress: 1, limitLoopback: false }
  const learnAlias = createAliasLearner(store.users)
  const engine = await createEngine({
    login: createLogin({
      apps: {
        find: (id) => (id === appId ? app : undefined),
        appIds: () => [appId],
        onChange() {},
        reload() {},
        stop() {},
      },
      throttle: createLoginThrottle(throttle),
      revokedUsers: { revokedAt: () => null },
    }),
    handlers: {
      sos: createSosIntake({
        take: createSosTaker({
          incidents: store.incidents,
          users: store.users,
          relayLimit: createRelayLimit(10),
          learnAlias,
        }),
        clock,
        log,
      }),
      telemetry: createTelemetryHandler({ telemetry: store.telemetry, learnAlias, clock }),
    },
    sessions,
    gateways: createGatewayPart({
      login: async () => ({ is: 'refused', why: 'unknown-gateway' }),
      sessions: createGatewaySessions({ perGateway: 1 }),
      intake: { take: async () => {} },
      isCallForHelp: () => false,
      rate: 1,
      burst: 1,
      subscriptionsMax: 20,
      log,
      metrics,
    }),
    subscriptionsMax: 20,
    persistence: await createEnginePersistence(undefined),
    log,
    metrics,
  })
  const turns = createReadingTurns({ perTurn: 1_000 })
  const underWay = createUnderWay()
  const admission = createAdmission({
    perTurn: 1_000,
    perTurnBesideSos: 1_000,
    underWayMax: 1_000_000,
    underWay,
  })
  let count = 0
  let openGates = 0
  return {
    open() {
      const [client, wire] = duplexPair()
      openGates++
      const gate = new Gate({
        wire,
        origin: { transport: 'tcp', address: '127.0.0.1', port: 1 },
        sessionId: `in-process-${count++}`,
        limits: {
          connectBytesMax: 4_096,
          connectTimeoutMs: 1_000,
          packetBytesMax: 65_536,
          telemetryRate: 1_000_000,
          telemetryBurst: 1_000_000,
        },
        isPaced: mayWait,
        admission,
        turns,
        underWay,
        onConnect: (gate) => engine.handle(gate),
        onPublish: engine.takePublication,
        onSilence() {},
        onDropped() {},
        onAcknowledged() {},
        onViolation: () => {},
      })
      gate.once('close', () => openGates--)
      return client
    },
    openGates: () => openGates,
    sessions: () => sessions.count,
    stored() {
      const now = clock.now().toISOString()
      const record = { appId, userId: 'nobody', externalUserId: 'nobody', occurredAt: now, receivedAt: now }
      return Promise.all([store.probe(appId), store.telemetry.append({ ...record, fields: {} })])
    },
    async stop() {
      await engine.stop(0)
      await store.stop()
    },
  }
}

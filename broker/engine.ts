import type { EventEmitter } from 'node:events'
import { Aedes } from 'aedes'
import type {
  AedesOptions,
  AuthenticateError,
  Client,
  PublishPacket as AedesPublish,
  Subscription,
} from 'aedes'
import mqttPacket from 'mqtt-packet'
import type { EndedLogin, Login } from '../auth/login.js'
import { readTopicFilter } from '../auth/topics.js'
import type { Handler } from '../handlers/handler.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { User } from '../store/user.js'
import type { Gate } from './gate/gate.js'
import type { GatewayPart } from './gateway-part.js'
import type { Reason } from './gate/mqtt5.js'
import { REASON, RETURN_CODE } from './gate/reason.js'
import { judgeConnect } from './judge-connect.js'
import { createSessionKeeper } from './keep-session.js'
import { createPendingWork } from './pending-work.js'
import type { GatewaySession, Session, Sessions } from './sessions.js'
import { createPublishTaker } from './take-publish.js'
import type { Publication } from './take-publish.js'
import { endsBy, stopLimitsOf } from './stop-limits.js'
import { leaveInWaves } from './waves.js'

// The engine's writer would make 65,536 buffers before its first packet: 15 MB, and a tenth of a second in which
// nobody is served. They would save it a quarter of a microsecond a packet.
mqttPacket.writeToStream.cacheNumbers = false

export interface EngineOptions {
  login: Login
  handlers: { sos: Handler; telemetry: Handler }
  sessions: Sessions
  gateways: GatewayPart
  subscriptionsMax: number
  persistence: NonNullable<AedesOptions['persistence']>
  log: Log
  metrics: Metrics
}

export interface Engine {
  /** Takes over a gate whose CONNECT has passed. */
  handle(gate: Gate): void
  /** Takes a publication of QoS 0 or 1 past Aedes; see GateOptions.onPublish. */
  takePublication(gate: Gate, publication: Publication): Promise<void>
  /** Ends the sessions whose login would be refused by now: app disabled, secret removed, user or gateway revoked. */
  endRefusedSessions(): void
  /** Ends a user's sessions on this node, for an operator; nothing keeps him from coming back. How many there were. */
  endSessionsOf(user: User, by: string): number
  /**
   * Ends every session within drainMs, with DISCONNECT 0x8B, after what is under way has been answered. Clients that never
   * stop sending do not hold it up for ever: see stop-limits.ts.
   */
  stop(drainMs: number): Promise<void>
}

/** The only place that knows Aedes: its hooks on one side, login and handlers on the other. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { login, sessions, gateways, log, metrics } = options
  const takePublish = createPublishTaker(options)
  const gates = new WeakMap<Client, Gate>()
  const sessionsOf = new WeakMap<Gate, Session>()
  const gatewaySessionsOf = new WeakMap<Gate, GatewaySession>()
  const keep = createSessionKeeper({ countAll: () => sessions.count + gateways.sessions.count, log, metrics })
  const pending = createPendingWork()
  /** Told to go for good; they may take seconds to be gone. */
  const ending = new WeakSet<Gate>()
  let isStopping = false

  const aedes = new HooksOnlyAedes({
    persistence: options.persistence,
    authenticate: (client, username, password, done) => {
      const gate = gates.get(client) as Gate
      judgeConnect(gate, { username, password }, { user: login, gateway: gateways.login }).then(
        (verdict) => {
          const about = {
            sessionId: gate.sessionId,
            ...gate.origin,
            version: gate.connect?.version,
            ...verdict.about,
          }
          metrics.logins.inc({ outcome: verdict.is === 'accepted' ? 'accepted' : verdict.why })
          if (verdict.is === 'refused') {
            log.warn({ ...about, why: verdict.why, hint: verdict.hint }, 'login refused')
            gate.refuseConnect(verdict.reason)
            return done(refusal(verdict.returnCode), false)
          }
          if (gate.destroyed) return // the client left while it was looked at
          if (isStopping) {
            gate.refuseConnect({ code: REASON.serverShuttingDown })
            return done(refusal(RETURN_CODE.serverUnavailable), false)
          }
          const { principal, whyEnded } = verdict
          if (principal.kind === 'gateway') openGatewaySession(gate, { principal, whyEnded })
          else openSession(client, gate, { principal, whyEnded })
          log.info(about, 'login')
          done(null, true)
        },
        (error: unknown) => {
          log.error({ sessionId: gate.sessionId, err: error }, 'login failed')
          gate.refuseConnect({ code: REASON.unspecifiedError })
          done(refusal(), false)
        },
      )
    },
    authorizePublish: (client, packet, done) => {
      const gate = client && gates.get(client)
      if (!gate) return done(new Error('no session'))
      const { messageId = 0, topic, retain, payload } = packet
      const publication = {
        packetId: messageId,
        topicName: topic,
        isRetained: retain,
        payload: toBuffer(payload),
      }
      const end = gate.beginTaking(publication)
      const taking = take(gate, publication)
      taking
        .then(
          () => done(),
          (error: Error) => done(error),
        )
        .finally(end)
    },
    authorizeSubscribe: (client, subscription, done) => {
      const session = sessionOf(client)
      const gateway = gatewaySessionOf(client)
      const isGranted = gateway
        ? gateways.maySubscribe(gateway, subscription.topic)
        : session && maySubscribe(session, subscription)
      done(null, isGranted ? subscription : null)
    },
  })

  aedes.on('unsubscribe', (topicFilters, client) => {
    const filters = (sessionOf(client) ?? gatewaySessionOf(client))?.filters
    for (const topicFilter of topicFilters) filters?.delete(topicFilter)
  })
  // Without listeners a failed write would end the process; why a connection ended was logged where it was decided.
  aedes.on('clientError', (client, error) =>
    log.debug({ sessionId: client.id, reason: error.message }, 'connection ended'),
  )
  aedes.on('connectionError', (_client, error) =>
    log.debug({ reason: error.message }, 'connection ended before its session'),
  )
  const emitter: EventEmitter = aedes // its types leave out 'error'
  emitter.on('error', (error: Error) => log.error({ err: error }, 'engine'))
  await aedes.listen()

  function sessionOf(client: Client): Session | undefined {
    const gate = gates.get(client)
    return gate && sessionsOf.get(gate)
  }

  function gatewaySessionOf(client: Client): GatewaySession | undefined {
    const gate = gates.get(client)
    return gate && gatewaySessionsOf.get(gate)
  }

  /** Once for every message, so no layer of `async` more than there must be: each is memory until it is stored. */
  function take(gate: Gate, publication: Publication): Promise<void> {
    pending.begin()
    const taken = handOver(gate, publication)
    taken.then(pending.end, pending.end)
    return taken
  }

  function handOver(gate: Gate, publication: Publication): Promise<void> {
    const session = sessionsOf.get(gate)
    if (session) return takePublish(session, publication)
    const gateway = gatewaySessionsOf.get(gate)
    return gateway ? gateways.take(gateway, publication) : Promise.reject(new Error('no session'))
  }

  const allSessions = () => [...sessions.all(), ...gateways.sessions.all()]

  /** Tells a session to go for good; whoever was told is not told again. */
  function end(gate: Gate, reason: string, text: string): void {
    ending.add(gate)
    metrics.sessionsEnded.inc({ reason })
    gate.closeWith({ code: REASON.administrativeAction, text })
  }

  function openSession(
    client: Client,
    gate: Gate,
    { principal, whyEnded }: Pick<Session, 'principal' | 'whyEnded'>,
  ): void {
    const session: Session = {
      sessionId: gate.sessionId,
      principal,
      whyEnded,
      gate,
      filters: new Map(),
      since: new Date().toISOString(),
      unwrittenBytes: 0,
      async publish(topic, payload) {
        session.unwrittenBytes += payload.length
        await new Promise<void>((resolve) =>
          client.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, () =>
            resolve(),
          ),
        )
        session.unwrittenBytes -= payload.length
      },
    }
    sessionsOf.set(gate, session)
    keep(sessions, session, 'too many sessions of this user')
  }

  function openGatewaySession(gate: Gate, login: Pick<GatewaySession, 'principal' | 'whyEnded'>): void {
    const session = gateways.open(gate, login)
    gatewaySessionsOf.set(gate, session)
    keep(gateways.sessions, session, 'too many sessions of this gateway')
  }

  function maySubscribe(session: Session, { topic }: Subscription): boolean {
    const verdict = readTopicFilter(session.principal, topic)
    const isFull = session.filters.size >= options.subscriptionsMax && !session.filters.has(topic)
    if (verdict.is === 'events' && !isFull) {
      session.filters.set(topic, verdict.form)
      metrics.subscriptions.inc({ outcome: 'granted' })
      return true
    }
    const why = verdict.is === 'refused' ? verdict.why : 'too-many'
    session.gate.refuseFilter(topic, FILTER_REASONS[why])
    metrics.subscriptions.inc({ outcome: why })
    log.warn({ sessionId: session.sessionId, topicFilter: topic, why }, 'subscription refused')
    return false
  }

  return {
    handle(gate) {
      gates.set(aedes.handle(gate), gate)
    },
    takePublication: take,
    endRefusedSessions() {
      for (const { sessionId, principal, whyEnded, gate } of allSessions()) {
        const why = whyEnded()
        if (why === null || ending.has(gate)) continue
        const { appId } = principal
        const who =
          principal.kind === 'gateway' ? { gatewayId: principal.gatewayId } : { userId: principal.userId }
        log.info({ sessionId, appId, ...who, why }, 'session ended: its login no longer holds')
        end(gate, why, ENDED_LOGINS[why])
      }
    },
    endSessionsOf(user, by) {
      const open = sessions.of(user).filter(({ gate }) => !ending.has(gate))
      for (const { sessionId, gate } of open) {
        log.info({ sessionId, appId: user.appId, userId: user.userId, by }, 'session ended by an operator')
        end(gate, 'operator', 'ended by an operator')
      }
      return open.length
    },
    async stop(drainMs) {
      isStopping = true
      const startedAt = performance.now()
      const limits = stopLimitsOf(drainMs)
      const open = allSessions()
      const closed = open.map(
        ({ gate }) => new Promise<void>((resolve) => gate.once('close', () => resolve())),
      )
      await leaveInWaves(open, drainMs, (wave, left) => {
        log.info({ count: wave.length, left }, 'sessions are told to leave')
        for (const { gate } of wave) gate.closeWith({ code: REASON.serverShuttingDown })
      })
      if (!(await endsBy(startedAt + limits.sessionsMs, Promise.all(closed))))
        for (const { gate } of open) gate.destroy()
      if (!(await endsBy(startedAt + limits.underWayMs, pending.whenNone())))
        log.warn({ count: pending.count }, 'stopped before all was stored; none of this was acknowledged')
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
    },
  }
}

/**
 * Aedes without its router: the handlers take every publication in the hook before PUBACK, and events go to
 * sessions directly, so nothing is ever published to the engine, `$SYS` included.
 */
class HooksOnlyAedes extends Aedes {
  override publish(_packet: AedesPublish, ...rest: unknown[]): void {
    const done = rest.at(-1)
    if (typeof done === 'function') done(null)
  }
}

const ENDED_LOGINS: Record<EndedLogin, string> = {
  'disabled-app': 'the app may no longer log in',
  'removed-secret': 'the secret behind this login was removed',
  'revoked-user': 'this user may no longer log in',
  'revoked-gateway': 'this gateway may no longer log in',
  'replaced-token': 'the token behind this login was replaced',
}

const FILTER_REASONS: Record<'wildcard' | 'shared-subscription' | 'not-own' | 'too-many', Reason['code']> = {
  wildcard: REASON.wildcardSubscriptionsNotSupported,
  'shared-subscription': REASON.sharedSubscriptionsNotSupported,
  'not-own': REASON.notAuthorized,
  'too-many': REASON.quotaExceeded,
}

function refusal(returnCode: number = RETURN_CODE.notAuthorized): AuthenticateError {
  return Object.assign(new Error('refused'), { returnCode }) as AuthenticateError
}

function toBuffer(payload: string | Buffer): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}

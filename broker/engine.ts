import type { EventEmitter } from 'node:events'
import { Aedes } from 'aedes'
import type {
  AedesOptions,
  AuthenticateError,
  Client,
  PublishPacket as AedesPublish,
  Subscription,
} from 'aedes'
import type { EndedLogin, Login } from '../auth/login.js'
import { readTopicFilter } from '../auth/topics.js'
import type { Handler } from '../handlers/handler.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { Gate } from './gate/gate.js'
import type { Reason } from './gate/mqtt5.js'
import type { PublishPacket } from './gate/packets.js'
import { REASON, RETURN_CODE } from './gate/reason.js'
import { judgeConnect } from './judge-connect.js'
import type { Session, Sessions } from './sessions.js'
import { createPublishTaker } from './take-publish.js'

export interface EngineOptions {
  login: Login
  handlers: { sos: Handler; telemetry: Handler }
  sessions: Sessions
  subscriptionsMax: number
  persistence: NonNullable<AedesOptions['persistence']>
  log: Log
  metrics: Metrics
}

export interface Engine {
  /** Takes over a gate whose CONNECT has passed. */
  handle(gate: Gate): void
  /** Handles a publication of a connection that ended before the engine saw it; nobody is answered. */
  takeAbandoned(gate: Gate, packet: PublishPacket): void
  /** Ends the sessions whose login would be refused by now: app disabled, secret removed, user revoked. */
  endRefusedSessions(): void
  /** Ends every session, with DISCONNECT 0x8B, after what is under way has been answered. */
  stop(): Promise<void>
}

/** The only place that knows Aedes: its hooks on one side, login and handlers on the other. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { login, sessions, log, metrics } = options
  const takePublish = createPublishTaker(options)
  const gates = new WeakMap<Client, Gate>()
  const sessionsOf = new WeakMap<Gate, Session>()
  const underWay = new Set<Promise<unknown>>()
  /** Told to go for good; they may take seconds to be gone. */
  const ending = new WeakSet<Gate>()
  let isStopping = false

  const aedes = new HooksOnlyAedes({
    persistence: options.persistence,
    authenticate: (client, username, password, done) => {
      const gate = gates.get(client) as Gate
      judgeConnect(gate, { username, password }, login).then(
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
            return done(refusal(), false)
          }
          if (gate.destroyed) return // the client left while it was looked at
          if (isStopping) {
            gate.refuseConnect({ code: REASON.serverShuttingDown })
            return done(refusal(RETURN_CODE.serverUnavailable), false)
          }
          const session = openSession(client, gate, verdict)
          sessionsOf.set(gate, session)
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
      const session = client && sessionOf(client)
      if (!session) return done(new Error('no session'))
      const { messageId = 0, topic, retain, payload } = packet
      follow(
        takePublish(session, {
          packetId: messageId,
          topicName: topic,
          isRetained: retain,
          payload: toBuffer(payload),
        }).then(
          () => done(),
          (error: Error) => done(error),
        ),
      )
    },
    authorizeSubscribe: (client, subscription, done) => {
      const session = sessionOf(client)
      done(null, session && maySubscribe(session, subscription) ? subscription : null)
    },
  })

  aedes.on('unsubscribe', (topicFilters, client) => {
    for (const topicFilter of topicFilters) sessionOf(client)?.filters.delete(topicFilter)
  })
  aedes.on('keepaliveTimeout', (client) => {
    metrics.sessionsEnded.inc({ reason: 'keep-alive' })
    gates.get(client)?.setCloseReason({ code: REASON.keepAliveTimeout }) // [MQTT-3.1.2-24]
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

  /** A stop of the engine waits for what is under way. */
  function follow(work: Promise<unknown>): void {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  function openSession(
    client: Client,
    gate: Gate,
    { principal, whyEnded }: Pick<Session, 'principal' | 'whyEnded'>,
  ): Session {
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
    for (const oldest of sessions.add(session)) {
      log.info({ sessionId: oldest.sessionId, by: session.sessionId }, 'session gives way to a newer one')
      metrics.sessionsEnded.inc({ reason: 'taken-over' })
      sessions.remove(oldest)
      oldest.gate.closeWith({ code: REASON.sessionTakenOver, text: 'too many sessions of this user' })
    }
    metrics.sessions.set(sessions.count)
    gate.once('close', () => {
      sessions.remove(session)
      metrics.sessions.set(sessions.count)
      log.info({ sessionId: session.sessionId }, 'session ended')
    })
    return session
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
    takeAbandoned(gate, packet) {
      const session = sessionsOf.get(gate)
      if (!session) return
      log.debug({ sessionId: session.sessionId }, 'taking what a lost connection had sent')
      follow(takePublish(session, packet).catch(() => {})) // nobody is left to be told
    },
    endRefusedSessions() {
      for (const { sessionId, principal, whyEnded, gate } of sessions.all()) {
        const why = whyEnded()
        if (why === null || ending.has(gate)) continue
        ending.add(gate)
        log.info(
          { sessionId, appId: principal.appId, userId: principal.userId, why },
          'session ended: its login no longer holds',
        )
        metrics.sessionsEnded.inc({ reason: why })
        gate.closeWith({ code: REASON.administrativeAction, text: ENDED_LOGINS[why] })
      }
    },
    async stop() {
      isStopping = true
      const open = sessions.all()
      const closed = open.map(
        ({ gate }) => new Promise<void>((resolve) => gate.once('close', () => resolve())),
      )
      for (const { gate } of open) gate.closeWith({ code: REASON.serverShuttingDown })
      await Promise.all(closed)
      while (underWay.size > 0) await Promise.all(underWay)
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

import type { EventEmitter } from 'node:events'
import { Aedes } from 'aedes'
import type { AedesOptions, AuthenticateError, Client, PublishPacket, Subscription } from 'aedes'
import type { Login } from '../auth/login.js'
import { readPublishTopic, readTopicFilter } from '../auth/topics.js'
import type { Handler, Outcome } from '../handlers/handler.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { Gate } from './gate/gate.js'
import type { Reason } from './gate/mqtt5.js'
import { REASON, RETURN_CODE } from './gate/reason.js'
import { judgeConnect } from './judge-connect.js'
import type { Session, Sessions } from './sessions.js'

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
  /** Ends every session, with DISCONNECT 0x8B, after what is under way has been answered. */
  stop(): Promise<void>
}

/** The only place that knows Aedes: its hooks on one side, login and handlers on the other. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { login, handlers, sessions, log, metrics } = options
  const gates = new WeakMap<Client, Gate>()
  const sessionsOf = new WeakMap<Client, Session>()
  const underWay = new Set<Promise<void>>()

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
          const session = openSession(client, gate, verdict.principal)
          sessionsOf.set(client, session)
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
      const session = client && sessionsOf.get(client)
      if (!session) return done(new Error('no session'))
      const work = takePublish(session, packet).then(
        () => done(),
        (error: Error) => done(error),
      )
      underWay.add(work)
      void work.finally(() => underWay.delete(work))
    },
    authorizeSubscribe: (client, subscription, done) => {
      const session = sessionsOf.get(client)
      done(null, session && maySubscribe(session, subscription) ? subscription : null)
    },
  })

  aedes.on('unsubscribe', (topicFilters, client) => {
    const session = sessionsOf.get(client)
    for (const topicFilter of topicFilters) session?.filters.delete(topicFilter)
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

  function openSession(client: Client, gate: Gate, principal: Session['principal']): Session {
    const session: Session = {
      sessionId: gate.sessionId,
      principal,
      gate,
      filters: new Map(),
      since: new Date().toISOString(),
      publish: (topic, payload) =>
        new Promise((resolve) =>
          client.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, () =>
            resolve(),
          ),
        ),
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

  /** Resolves when the publication may be acknowledged. @throws when it must not be; the connection then ends. */
  async function takePublish(session: Session, packet: PublishPacket): Promise<void> {
    const { gate, principal } = session
    const packetId = packet.messageId ?? 0
    if (packet.retain) {
      metrics.messages.inc({ kind: 'other', outcome: 'refused' })
      gate.setCloseReason({ code: REASON.retainNotSupported, text: 'retained messages are not available' })
      throw logged(session, 'retained publication refused')
    }
    const topic = readPublishTopic(principal, packet.topic)
    if (topic.is === 'refused') {
      metrics.messages.inc({ kind: 'other', outcome: 'refused' })
      const error = logged(session, 'publication to a foreign topic refused')
      if (gate.connect?.version !== 5) throw error // 3.1.1 has no other way to say no, [MQTT-3.3.5-2]
      return gate.answerPublish(packetId, { code: REASON.notAuthorized, text: 'not a topic of this user' })
    }
    try {
      const outcome = await handlers[topic.is]({
        user: principal,
        payload: toBuffer(packet.payload),
        way: 'mqtt',
      })
      report(session, topic.is, outcome)
      if (outcome.is === 'dropped')
        gate.answerPublish(packetId, { code: REASON.payloadFormatInvalid, text: outcome.why })
    } catch (error) {
      metrics.messages.inc({ kind: topic.is, outcome: 'failed' })
      log.error(
        { sessionId: session.sessionId, kind: topic.is, reason: (error as Error).message },
        'not stored, not acknowledged',
      )
      gate.setCloseReason({ code: REASON.serverUnavailable, text: 'the message could not be stored' })
      throw error
    }
  }

  function report(session: Session, kind: 'sos' | 'telemetry', outcome: Outcome): void {
    const about = {
      sessionId: session.sessionId,
      appId: session.principal.appId,
      userId: session.principal.userId,
    }
    if (outcome.is !== 'accepted') {
      metrics.messages.inc({ kind, outcome: 'dropped' })
      log.warn({ ...about, why: outcome.why }, `${kind} dropped`)
      return
    }
    metrics.messages.inc({ kind, outcome: outcome.repeat ? 'repeat' : 'accepted' })
    for (const note of outcome.notes) metrics.oddities.inc({ kind, note })
    if (kind === 'sos')
      log.info(
        { ...about, incidentId: outcome.incident?.incidentId, repeat: outcome.repeat, notes: outcome.notes },
        'sos stored',
      )
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

  function logged(session: Session, text: string): Error {
    log.warn(
      { sessionId: session.sessionId, appId: session.principal.appId, userId: session.principal.userId },
      text,
    )
    return new Error(text)
  }

  return {
    handle(gate) {
      gates.set(aedes.handle(gate), gate)
    },
    async stop() {
      const open = sessions.all()
      const closed = open.map(
        ({ gate }) => new Promise<void>((resolve) => gate.once('close', () => resolve())),
      )
      for (const { gate } of open) gate.closeWith({ code: REASON.serverShuttingDown })
      await Promise.all(closed)
      await Promise.all(underWay)
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
    },
  }
}

/**
 * Aedes without its router: the handlers take every publication in the hook before PUBACK, and events go to
 * sessions directly, so nothing is ever published to the engine, `$SYS` included.
 */
class HooksOnlyAedes extends Aedes {
  override publish(_packet: PublishPacket, ...rest: unknown[]): void {
    const done = rest.at(-1)
    if (typeof done === 'function') done(null)
  }
}

const FILTER_REASONS: Record<'wildcard' | 'shared-subscription' | 'not-own' | 'too-many', Reason['code']> = {
  wildcard: REASON.wildcardSubscriptionsNotSupported,
  'shared-subscription': REASON.sharedSubscriptionsNotSupported,
  'not-own': REASON.notAuthorized,
  'too-many': REASON.quotaExceeded,
}

function refusal(): AuthenticateError {
  return Object.assign(new Error('not authorized'), {
    returnCode: RETURN_CODE.notAuthorized,
  }) as AuthenticateError
}

function toBuffer(payload: string | Buffer): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}

import { readPublishTopic } from '../auth/topics.js'
import type { Handler, Outcome } from '../handlers/handler.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { PublishPacket } from './gate/packets.js'
import { REASON } from './gate/reason.js'
import type { Session } from './sessions.js'

/** What a publication is to the handlers, whoever parsed it. */
export type Publication = Pick<PublishPacket, 'packetId' | 'topicName' | 'isRetained' | 'payload'>

/**
 * Takes one publication to its handler. Resolves when it may be acknowledged; tells the gate what a 5.0 client
 * is to read in the acknowledgement.
 *
 * @throws when it must not be acknowledged; the connection then ends, with the reason that the gate was told.
 */
export function createPublishTaker(options: {
  handlers: { sos: Handler; telemetry: Handler }
  log: Log
  metrics: Metrics
}): (session: Session, publication: Publication) => Promise<void> {
  const { handlers, log, metrics } = options

  return async (session, { packetId, topicName, isRetained, payload }) => {
    const { gate, principal } = session
    const topic = readPublishTopic(principal, topicName)
    if (isRetained || topic.is === 'refused') {
      const why = isRetained ? 'retained publication refused' : 'publication to a foreign topic refused'
      metrics.messages.inc({ kind: 'other', outcome: 'refused' })
      log.warn(aboutOf(session), why)
      if (isRetained)
        gate.setCloseReason({ code: REASON.retainNotSupported, text: 'retained messages are not available' })
      // 3.1.1 has no other way to say no, [MQTT-3.3.5-2].
      if (isRetained || gate.connect?.version !== 5) throw new Error(why)
      return gate.answerPublish(packetId, { code: REASON.notAuthorized, text: 'not a topic of this user' })
    }
    const kind = topic.is as 'sos' | 'telemetry'
    try {
      const outcome = await handlers[kind]({
        user: principal,
        payload,
        way: 'mqtt',
        sessionId: session.sessionId,
      })
      report(session, kind, outcome)
      if (outcome.is !== 'accepted') {
        gate.answerPublish(packetId, { code: REASON.payloadFormatInvalid, text: outcome.why })
      }
    } catch (error) {
      metrics.messages.inc({ kind, outcome: 'failed' })
      log.error(
        { ...aboutOf(session), kind, reason: (error as Error).message },
        'not stored, not acknowledged',
      )
      gate.setCloseReason({ code: REASON.serverUnavailable, text: 'the message could not be stored' })
      throw error
    }
  }

  function report(session: Session, kind: 'sos' | 'telemetry', outcome: Outcome): void {
    if (outcome.is !== 'accepted') {
      metrics.messages.inc({ kind, outcome: 'dropped' })
      log.warn({ ...aboutOf(session), why: outcome.why }, `${kind} dropped`)
      return
    }
    const { repeat, notes, isJournaled } = outcome
    metrics.messages.inc({ kind, outcome: isJournaled ? 'journaled' : repeat ? 'repeat' : 'accepted' })
    for (const note of notes) metrics.oddities.inc({ kind, note })
  }
}

function aboutOf({ sessionId, principal: { appId, userId } }: Session) {
  return { sessionId, appId, userId }
}

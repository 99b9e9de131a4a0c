import { encodeWireEvent } from '../handlers/wire-event.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { LifecycleEvent } from '../store/store.js'
import { REASON } from './gate/reason.js'
import type { Sessions } from './sessions.js'

/**
 * Gives an event of the log to the user's sessions on this node, under each filter exactly as it was
 * subscribed. Nobody else is asked, so nothing of one user can reach another.
 */
export function createEventDelivery(options: {
  sessions: Sessions
  backlogBytesMax: number
  log: Log
  metrics: Metrics
}) {
  const { sessions, backlogBytesMax, log, metrics } = options
  return (event: LifecycleEvent): void => {
    for (const session of sessions.of(event)) {
      for (const [topicFilter, form] of session.filters) {
        if (session.gate.backlogBytes > backlogBytesMax) {
          log.warn(
            { sessionId: session.sessionId, backlogBytesMax },
            'client does not read; its session ends',
          )
          metrics.sessionsEnded.inc({ reason: 'slow-reader' })
          session.gate.setCloseReason({ code: REASON.quotaExceeded, text: 'too many unread events' })
          session.gate.destroy()
          break
        }
        session.publish(topicFilter, encodeWireEvent(event, form))
        metrics.eventsDelivered.inc({ type: event.type })
      }
      log.debug(
        {
          sessionId: session.sessionId,
          eventId: event.eventId,
          incidentId: event.incidentId,
          type: event.type,
        },
        'event delivered',
      )
    }
  }
}

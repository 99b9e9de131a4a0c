import { encodeWireEvent } from '../handlers/wire-event.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { NoteDelivery } from '../store/delivery-notes.js'
import type { LifecycleEvent } from '../store/store.js'
import type { IdForm } from '../store/user.js'
import { REASON } from './gate/reason.js'
import type { Session, Sessions } from './sessions.js'

/**
 * Gives an event of the log to the user's sessions on this node, under each filter exactly as it was
 * subscribed. Nobody else is asked, so nothing of one user can reach another.
 */
export function createEventDelivery(options: {
  sessions: Sessions
  backlogBytesMax: number
  note: NoteDelivery
  log: Log
  metrics: Metrics
}) {
  const { sessions, backlogBytesMax, note, log, metrics } = options
  /** The newest events and when their last copy was written; an event is often faster than whoever waits for it. */
  const recent = new Map<string, Promise<unknown>>()
  const waiting = new Map<string, (written: Promise<unknown>) => void>()

  function deliver(event: LifecycleEvent): void {
    if (event.type === 'cancel-heard') return // for those who respond; a phone knows no such event
    const written: Promise<void>[] = []
    // Every node sees every event, and most have no session of its user: a form is written when somebody wants it.
    const copies: Partial<Record<IdForm, string>> = {}
    const sessionIds: string[] = []
    for (const session of sessions.of(event)) {
      if (session.filters.size > 0) sessionIds.push(session.sessionId)
      for (const [topicFilter, form] of session.filters) {
        if (session.gate.backlogBytes + session.unwrittenBytes > backlogBytesMax) {
          endSlowReader(session)
          break
        }
        written.push(session.publish(topicFilter, (copies[form] ??= encodeWireEvent(event, form))))
        metrics.eventsDelivered.inc({ type: event.type })
      }
    }
    if (sessionIds.length > 0) {
      const { appId, userId, eventId, incidentId, type } = event
      const lagMs = Math.max(0, Date.now() - Date.parse(event.at))
      metrics.eventLagSeconds.observe({ type }, lagMs / 1000)
      log.info({ appId, userId, eventId, incidentId, type, lagMs, sessionIds }, 'event delivered')
    }
    const allWritten = Promise.all(written)
    if (written.length > 0) void allWritten.then(() => note(event, { sessions: sessionIds.length }))
    recent.set(event.eventId, allWritten)
    if (recent.size > RECENT_MAX) recent.delete(recent.keys().next().value as string)
    waiting.get(event.eventId)?.(allWritten)
  }

  function endSlowReader({ sessionId, gate }: Session): void {
    log.warn({ sessionId, backlogBytesMax }, 'client does not read; its session ends')
    metrics.sessionsEnded.inc({ reason: 'slow-reader' })
    gate.setCloseReason({ code: REASON.quotaExceeded, text: 'too many unread events' })
    gate.destroy()
  }

  return {
    deliver,
    /** Resolves when the event has gone to its sessions on this node, or after DELIVERY_LIMIT_MS. */
    async whenDelivered(eventId: string): Promise<void> {
      let timer: NodeJS.Timeout | undefined
      const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, DELIVERY_LIMIT_MS)))
      const written = recent.get(eventId) ?? new Promise((resolve) => waiting.set(eventId, resolve))
      await Promise.race([written, limit])
      clearTimeout(timer)
      waiting.delete(eventId)
    },
  }
}

// Whoever cancels waits for the answer; an event that needs longer goes its own way.
const DELIVERY_LIMIT_MS = 50
const RECENT_MAX = 1_000

import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { Gate } from './gate/gate.js'
import { REASON } from './gate/reason.js'

interface Kept {
  sessionId: string
  gate: Gate
}

/** Counts a session among those of its name until its connection is gone; older ones may have to go for it. */
export function createSessionKeeper(options: { countAll: () => number; log: Log; metrics: Metrics }) {
  const { countAll, log, metrics } = options
  return <One extends Kept>(
    sessions: { add(session: One): One[]; remove(session: One): void },
    session: One,
    tooMany: string,
  ): void => {
    for (const oldest of sessions.add(session)) {
      log.info({ sessionId: oldest.sessionId, by: session.sessionId }, 'session gives way to a newer one')
      metrics.sessionsEnded.inc({ reason: 'taken-over' })
      sessions.remove(oldest)
      oldest.gate.closeWith({ code: REASON.sessionTakenOver, text: tooMany })
    }
    metrics.sessions.set(countAll())
    session.gate.once('close', () => {
      sessions.remove(session)
      metrics.sessions.set(countAll())
      log.info({ sessionId: session.sessionId }, 'session ended')
    })
  }
}

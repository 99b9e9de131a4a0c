import type { EndedLogin, Principal } from '../auth/login.js'
import { userKey } from '../store/user.js'
import type { IdForm, User } from '../store/user.js'
import type { Gate } from './gate/gate.js'

/** One logged-in connection. */
export interface Session {
  sessionId: string
  principal: Principal
  /** Why its login would be refused by now; null while it would not. */
  whyEnded: () => EndedLogin | null
  gate: Gate
  /** Topic filters as the client wrote them, and the form in which each names the user. */
  filters: Map<string, IdForm>
  /** ISO 8601. */
  since: string
  /** Bytes of events that the engine has not written to the gate yet. */
  unwrittenBytes: number
  /** Hands a message of QoS 1 to the engine for this client; resolves when it was written, or cannot be. */
  publish(topicName: string, payload: string): Promise<void>
}

export type Sessions = ReturnType<typeof createSessions>

/** Who is connected to this node: (app, user) → sessions, oldest first. Client identifiers play no part. */
export function createSessions({ perUser }: { perUser: number }) {
  const byUser = new Map<string, Session[]>()
  let count = 0
  return {
    /** Adds a session and returns those that have to go for it. */
    add(session: Session): Session[] {
      const key = userKey(session.principal)
      const sessions = byUser.get(key) ?? []
      sessions.push(session)
      byUser.set(key, sessions)
      count++
      return sessions.slice(0, Math.max(0, sessions.length - perUser))
    },
    remove(session: Session): void {
      const key = userKey(session.principal)
      const sessions = byUser.get(key) ?? []
      const left = sessions.filter((other) => other !== session)
      count -= sessions.length - left.length
      if (left.length > 0) byUser.set(key, left)
      else byUser.delete(key)
    },
    of(user: Pick<User, 'appId' | 'userId'>): readonly Session[] {
      return byUser.get(userKey(user)) ?? []
    },
    all(): Session[] {
      return [...byUser.values()].flat()
    },
    get count(): number {
      return count
    },
  }
}

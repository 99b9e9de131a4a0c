import type { GatewayPrincipal } from '../auth/gateway-login.js'
import { gatewayUsername } from '../auth/gateway-names.js'
import type { GatewayName } from '../auth/gateway-names.js'
import type { EndedLogin, Principal } from '../auth/login.js'
import { userKey } from '../store/user.js'
import type { IdForm, User } from '../store/user.js'
import type { Gate } from './gate/gate.js'

/** One logged-in connection. */
interface Connected {
  sessionId: string
  /** Why its login would be refused by now; null while it would not. */
  whyEnded: () => EndedLogin | null
  gate: Gate
  /** ISO 8601. */
  since: string
}

/** Of an SDK user. */
export interface Session extends Connected {
  principal: Principal
  /** Topic filters as the client wrote them, and the form in which each names the user. */
  filters: Map<string, IdForm>
  /** Bytes of events that the engine has not written to the gate yet. */
  unwrittenBytes: number
  /** Hands a message of QoS 1 to the engine for this client; resolves when it was written, or cannot be. */
  publish(topicName: string, payload: string): Promise<void>
}

/** Of a mesh gateway. */
export interface GatewaySession extends Connected {
  principal: GatewayPrincipal
  /** Topic filters that were granted; nothing is ever delivered under one. */
  filters: Set<string>
  /** Milliseconds since 1970; null before the first. */
  lastPublicationAt: number | null
  /** The mesh node that it last spoke for. */
  nodeId: string | null
}

export type Sessions = SessionsOf<Session, Pick<User, 'appId' | 'userId'>>
export type GatewaySessions = SessionsOf<GatewaySession, GatewayName>
type SessionsOf<One extends { principal: Name }, Name> = ReturnType<typeof createSessionsBy<One, Name>>

/** Who is connected to this node: (app, user) → sessions, oldest first. Client identifiers play no part. */
export function createSessions({ perUser }: { perUser: number }): Sessions {
  return createSessionsBy<Session, Pick<User, 'appId' | 'userId'>>(perUser, userKey)
}

/** The same for gateways. */
export function createGatewaySessions({ perGateway }: { perGateway: number }): GatewaySessions {
  return createSessionsBy<GatewaySession, GatewayName>(perGateway, gatewayUsername)
}

function createSessionsBy<One extends { principal: Name }, Name>(max: number, keyOf: (name: Name) => string) {
  const byName = new Map<string, One[]>()
  let count = 0
  return {
    /** Adds a session and returns those that have to go for it. */
    add(session: One): One[] {
      const key = keyOf(session.principal)
      const sessions = byName.get(key) ?? []
      sessions.push(session)
      byName.set(key, sessions)
      count++
      return sessions.slice(0, Math.max(0, sessions.length - max))
    },
    remove(session: One): void {
      const key = keyOf(session.principal)
      const sessions = byName.get(key) ?? []
      const left = sessions.filter((other) => other !== session)
      count -= sessions.length - left.length
      if (left.length > 0) byName.set(key, left)
      else byName.delete(key)
    },
    of(name: Name): readonly One[] {
      return byName.get(keyOf(name)) ?? []
    },
    all(): One[] {
      return [...byName.values()].flat()
    },
    get count(): number {
      return count
    },
  }
}

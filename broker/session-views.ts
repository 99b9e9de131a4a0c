import type { GatewaySession, Session } from './sessions.js'

/** Sessions as the HTTP surfaces tell them. */
export function describeSession({ sessionId, gate, since }: Session | GatewaySession) {
  return { sessionId, transport: gate.origin.transport, address: gate.origin.address, since }
}

export function describeGatewaySession(session: GatewaySession) {
  const { gate, nodeId, lastPublicationAt } = session
  return {
    ...describeSession(session),
    nodeId,
    version: VERSION_NAMES[gate.connect?.version ?? 4],
    lastPublicationAt: lastPublicationAt === null ? null : new Date(lastPublicationAt).toISOString(),
  }
}

export function describeWithUser(session: Session) {
  const { userId, externalUserId } = session.principal
  return { ...describeSession(session), user: { userId, externalUserId } }
}

const VERSION_NAMES = { 3: '3.1', 4: '3.1.1', 5: '5.0' }

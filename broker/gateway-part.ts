import type { GatewayLogin } from '../auth/gateway-login.js'
import type { MeshGateway, MeshIntake } from '../handlers/mesh/mesh-intake.js'
import { isDownlinkFilter, readMeshTopic } from '../handlers/mesh/mesh-topics.js'
import type { MeshTopic } from '../handlers/mesh/mesh-topics.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { Gate } from './gate/gate.js'
import { REASON } from './gate/reason.js'
import { createQuietLog } from './quiet-log.js'
import type { GatewaySession, GatewaySessions } from './sessions.js'
import type { Publication } from './take-publish.js'

export interface GatewayPartOptions {
  login: GatewayLogin
  sessions: GatewaySessions
  intake: MeshIntake
  /** Whether a publication calls for help, so that it does not wait behind others. */
  isCallForHelp: (gateway: MeshGateway, topicName: string, payload: Buffer) => boolean
  /** Publications a second of one connection on average, and at once. */
  rate: number
  burst: number
  subscriptionsMax: number
  log: Log
  metrics: Metrics
}

export type GatewayPart = ReturnType<typeof createGatewayPart>

/**
 * What the engine does for gateways. They send without asking for an answer and repeat nothing, so a connection that
 * ends costs what comes during the half minute until the next: nothing that they ask for ends it. What is not
 * theirs to do is acknowledged, counted, and said in the log now and then.
 */
export function createGatewayPart(options: GatewayPartOptions) {
  const { login, sessions, intake, isCallForHelp, rate, burst, log, metrics } = options
  const quietly = createQuietLog(log)

  return {
    login,
    sessions,
    /** Makes the session of a gateway whose login was taken. */
    open(
      gate: Gate,
      { principal, whyEnded }: Pick<GatewaySession, 'principal' | 'whyEnded'>,
    ): GatewaySession {
      gate.treatAs({
        isPaced: (topicName) => !topicName.startsWith('gw/sos/'),
        isUrgent: ({ topicName, payload }) => isCallForHelp(principal, topicName, payload),
        rate,
        burst,
        hasWildcards: true,
      })
      if (gate.connect?.will) metrics.oddities.inc({ kind: 'connect', note: 'will' })
      return {
        sessionId: gate.sessionId,
        principal,
        whyEnded,
        gate,
        filters: new Set(),
        since: new Date().toISOString(),
        lastPublicationAt: null,
        nodeId: null,
      }
    },
    /**
     * Resolves when the publication may be acknowledged.
     *
     * @throws when it must not be: nothing could keep it. Then the connection ends, and the gateway may find a node
     * of ours that can.
     */
    async take(session: GatewaySession, { packetId, topicName, isRetained, payload }: Publication) {
      const { gate, principal } = session
      const arrivedAt = Date.now()
      session.lastPublicationAt = arrivedAt
      const topic = readMeshTopic(topicName)
      if (!topic) {
        metrics.messages.inc({ kind: 'mesh', outcome: 'refused' })
        const about = { ...aboutOf(session), topicName, hint: hintFor(topicName) }
        quietly(session, about, 'publication of a gateway to a topic that is none of its own dropped')
        return gate.answerPublish(packetId, { code: REASON.notAuthorized, text: 'not a topic of a gateway' })
      }
      if (isRetained) metrics.oddities.inc({ kind: 'mesh', note: 'retained' })
      noteNode(session, topic)
      const { appId, gatewayId } = principal
      try {
        await intake.take({ appId, gatewayId }, topicName, payload, arrivedAt)
        metrics.messages.inc({ kind: 'mesh', outcome: 'accepted' })
      } catch (error) {
        metrics.messages.inc({ kind: 'mesh', outcome: 'failed' })
        const about = { ...aboutOf(session), kind: 'mesh', reason: (error as Error).message }
        log.error(about, 'not stored, not acknowledged')
        gate.setCloseReason({ code: REASON.serverUnavailable, text: 'the message could not be stored' })
        throw error
      }
    },
    /** Grants what a gateway asks for to get packets for its mesh; nothing is ever sent under it. */
    maySubscribe(session: GatewaySession, topicFilter: string): boolean {
      const isFull = session.filters.size >= options.subscriptionsMax && !session.filters.has(topicFilter)
      const why = isFull ? 'too-many' : isDownlinkFilter(topicFilter) ? null : 'no-downlink'
      metrics.subscriptions.inc({ outcome: why ?? 'downlink' })
      if (why === null) {
        session.filters.add(topicFilter)
        return true
      }
      session.gate.refuseFilter(topicFilter, isFull ? REASON.quotaExceeded : REASON.notAuthorized)
      quietly(session, { ...aboutOf(session), topicFilter, why }, 'subscription of a gateway refused')
      return false
    },
  }

  function noteNode(session: GatewaySession, topic: MeshTopic): void {
    if (!('gatewayNode' in topic) || topic.gatewayNode === session.nodeId) return
    const before = session.nodeId
    session.nodeId = topic.gatewayNode
    const about = { ...aboutOf(session), nodeId: topic.gatewayNode }
    if (before === null) log.info(about, 'gateway speaks for its node')
    // Firmware 2.8 gave the node another number, or two nodes share a token. A bridge has many.
    else if (!session.gate.connect?.isBridge)
      quietly(session, { ...about, before }, 'gateway speaks for another node than before')
  }
}

function aboutOf({ sessionId, principal: { appId, gatewayId } }: GatewaySession) {
  return { sessionId, appId, gatewayId }
}

/** What people get wrong most often. */
function hintFor(topicName: string): string | undefined {
  if (/^(sos|tel)\//.test(topicName))
    return 'a gateway speaks for no user: gw/sos/<hardwareId> and gw/tel/<hardwareId> are for devices'
  if (topicName.startsWith('$SYS/')) return 'a Mosquitto bridge: notifications false'
  if (/\/2\/(e|c|json)\//.test(topicName))
    return 'a root has one to four levels, a channel name is one level of at most 32 characters'
  return undefined
}

import type { Log } from '../../ops/log.js'
import type { IncidentStore, TelemetryStore } from '../../store/store.js'
import type { Handler } from '../handler.js'
import { createCallIntake } from './call-intake.js'
import { createFragmentJoiner } from './fragments.js'
import { noteGatewayNode, noteUndecryptable } from './gateway-status.js'
import type { GatewayStatuses, MeshOutcome } from './gateway-status.js'
import type { HeardNodes } from './heard-nodes.js'
import type { MeshSettings } from './heard-packet.js'
import type { KeyMemory } from './key-memory.js'
import type { KnownNodes } from './known-nodes.js'
import type { MeshGateway, MeshIntake } from './mesh-intake.js'
import type { MeshMessage } from './mesh-message.js'
import { readMeshTopic } from './mesh-topics.js'
import { createQuietIntake } from './quiet-intake.js'
import { readPublication } from './read-publication.js'
import type { RecentWhose } from './whose-node.js'

/** What an app has configured for its mesh. */
export interface AppMeshSettings extends MeshSettings {
  /** A wearable's cancel closes the incident; else it stands in its story alone. */
  cancelCloses: boolean
}

export interface MeshIntakeOptions {
  settingsOf: (appId: string) => AppMeshSettings
  /** The way of an SOS, as phones have it: into the store, else into the journal. */
  sos: Handler
  telemetry: Pick<TelemetryStore, 'append'>
  incidents: Pick<IncidentStore, 'readOpen'>
  whose: RecentWhose
  nodes: KnownNodes
  heard: HeardNodes
  statuses: GatewayStatuses
  rememberKey: KeyMemory
  /** How long an SOS waits for the store to say whose it is; not at all while the store is known to be away. */
  limitMs: number
  isAway: (appId: string) => boolean
  log: Log
  limits?: Partial<MeshLimits>
}

/** What is above is dropped and counted; an SOS never is as long as nobody has an incident open for it. */
export interface MeshLimits {
  perNodeAMinute: number
  perGatewayAMinute: number
  sosPerSenderAMinute: number
  alertsPerAppAnHour: number
}

/** Takes what gateways publish: into incidents, telemetry and alerts of their app, and into what an operator sees. */
export function createMeshIntake(options: MeshIntakeOptions): MeshIntake {
  const { settingsOf, statuses, log } = options
  const limits = { ...LIMITS, ...options.limits }
  const joinFragments = createFragmentJoiner()
  const calls = createCallIntake({ ...options, limits })
  const takeQuiet = createQuietIntake({ ...options, limits })

  return {
    async take(gateway, topicName, payload, arrivedAt) {
      const status = statuses.heard(gateway, arrivedAt)
      const topic = readMeshTopic(topicName)
      if (!topic) return statuses.count(gateway, 'bad-topic')
      if (topic.is === 'json') status.json++
      else status.envelopes++
      if ('gatewayNode' in topic) noteGatewayNode(status, topic.gatewayNode)
      const settings = settingsOf(gateway.appId)
      const reading = readPublication(topic, payload, settings, arrivedAt)
      if (reading.is === 'refused') {
        if (reading.why === 'undecryptable') noteUndecryptable(status, reading.channelName ?? '')
        log.debug({ ...gateway, topic: topicName, why: reading.why }, 'mesh publication refused')
        return statuses.count(gateway, reading.why)
      }
      const messages = joinFragments(gateway.appId, reading.messages)
      const taken = await Promise.allSettled(
        messages.map(async (message) => {
          if (message.sender.is === 'node') {
            if (message.sender.nodeId === message.heardBy) status.own++
            else status.others++
          }
          statuses.count(gateway, await takeMessage(gateway, message, settings))
        }),
      )
      const failure = taken.find((one) => one.status === 'rejected')
      if (!failure) return
      statuses.count(gateway, 'failed')
      throw failure.reason
    },
  }

  async function takeMessage(
    gateway: MeshGateway,
    message: MeshMessage,
    settings: AppMeshSettings,
  ): Promise<MeshOutcome> {
    const { content } = message
    switch (content.is) {
      case 'sos':
        return calls.takeSos(gateway, message, content)
      case 'cancel':
        return calls.takeCancel(gateway, message, content, settings)
      case 'position':
      case 'telemetry':
      case 'no-position':
      case 'node-info':
        return takeQuiet(gateway, message)
      case 'gateway-alive':
        return 'gateway-alive'
      case 'text':
      case 'fragment':
      case 'other':
        return 'ignored'
    }
  }
}

const LIMITS: MeshLimits = {
  // A wearable sends one a minute at most; a burst of retries and answers is far below.
  perNodeAMinute: 60,
  // 20 a second: a radio channel carries less.
  perGatewayAMinute: 1_200,
  // The first and its repetitions; then its incident is open.
  sosPerSenderAMinute: 7,
  // More unknown people than a rescue service can tell apart; beyond it they share an alert.
  alertsPerAppAnHour: 60,
}

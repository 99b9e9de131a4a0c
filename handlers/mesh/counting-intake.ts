import type { Log } from '../../ops/log.js'
import type { Metrics } from '../../ops/metrics.js'
import type { MeshSettings } from './heard-packet.js'
import type { MeshIntake } from './mesh-intake.js'
import { readMeshTopic } from './mesh-topics.js'
import { readPublication } from './read-publication.js'

/** Reads what gateways bring and counts it: who sent it is not looked up, and nothing is kept. */
export function createCountingIntake(options: {
  settingsOf: (appId: string) => MeshSettings
  log: Log
  metrics: Metrics
}): MeshIntake {
  const { settingsOf, log, metrics } = options
  return {
    async take(gateway, topicName, payload, arrivedAt) {
      const topic = readMeshTopic(topicName)
      if (!topic) return
      const reading = readPublication(topic, payload, settingsOf(gateway.appId), arrivedAt)
      if (reading.is === 'refused') {
        const { why, channelName, from } = reading
        metrics.mesh.inc({ outcome: why })
        return log.debug({ ...gateway, why, channelName, from }, 'publication of a gateway refused')
      }
      for (const { content, sender, heardBy, packetId } of reading.messages) {
        metrics.mesh.inc({ outcome: content.is })
        log.debug({ ...gateway, content: content.is, sender, heardBy, packetId }, 'heard by a gateway')
      }
    },
  }
}

import type { MeshSettings } from './heard-packet.js'
import { readMeshTopic } from './mesh-topics.js'
import { readPublication } from './read-publication.js'

/** Whether a publication holds an SOS, or says that one is over. What cannot be read is none. */
export function isCallForHelp(topicName: string, payload: Buffer, settings: MeshSettings): boolean {
  const topic = readMeshTopic(topicName)
  if (!topic) return false
  const reading = readPublication(topic, payload, settings, Date.now())
  return (
    reading.is === 'messages' &&
    reading.messages.some(({ content }) => content.is === 'sos' || content.is === 'cancel')
  )
}

import { createChannelKeys } from '../../handlers/mesh/channel-crypto.js'
import type { MeshSettings } from '../../handlers/mesh/heard-packet.js'
import type { MeshMessage, MeshReading } from '../../handlers/mesh/mesh-message.js'
import { readMeshTopic } from '../../handlers/mesh/mesh-topics.js'
import { readPublication } from '../../handlers/mesh/read-publication.js'
import { SOS_TRIGGERS } from '../../handlers/mesh/sos-triggers.js'

/** An app whose mesh uses the default channel, and whose wearables send their SOS on port 256, telemetry on 257. */
export const SETTINGS: MeshSettings = {
  channels: createChannelKeys([{ name: 'LongFast', key: Buffer.from([1]) }]),
  triggers: SOS_TRIGGERS,
  eixamPorts: new Map([
    [256, 'sos'],
    [257, 'tel'],
  ]),
}

/** When the vectors' packets were heard, and a second later. */
export const HEARD_AT_S = 1_609_459_200
export const NOW = (HEARD_AT_S + 1) * 1_000

export const ENVELOPE_TOPIC = 'msh/EU_868/2/e/LongFast/!a1b2c3d4'

/** Reads a publication as the broker would. */
export function readOn(
  topicName: string,
  payload: Buffer | string | object,
  { settings = SETTINGS, now = NOW } = {},
): MeshReading {
  const topic = readMeshTopic(topicName)
  if (!topic) throw new Error(`no topic of a gateway: ${topicName}`)
  return readPublication(topic, toBytes(payload), settings, now)
}

/** The one message that a publication must become. */
export function readOneOn(...given: Parameters<typeof readOn>): MeshMessage {
  const reading = readOn(...given)
  const [message, ...more] = reading.is === 'messages' ? reading.messages : []
  if (!message || more.length > 0) throw new Error(`not one message: ${JSON.stringify(reading)}`)
  return message
}

function toBytes(payload: Buffer | string | object): Buffer {
  if (Buffer.isBuffer(payload)) return payload
  return Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
}

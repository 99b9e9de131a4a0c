import { readBridgePacket } from './bridge-json.js'
import { readDeviceReport } from './device-report.js'
import { messagesOf, readHeardPacket } from './heard-packet.js'
import type { Arrival, MeshSettings } from './heard-packet.js'
import { readFirmwareJson } from './mesh-json.js'
import type { MeshReading } from './mesh-message.js'
import type { MeshTopic } from './mesh-topics.js'
import { readNodeId } from '../../store/node-ids.js'
import { envelopeType } from './packets.js'
import { MESSAGE_BYTES_MAX, ProtobufError } from './protobuf.js'

/**
 * Turns what a gateway published into what the mesh said. `arrivedAt` is the server's time in milliseconds since
 * 1970. It throws nothing for any bytes; what it refuses says why.
 */
export function readPublication(
  topic: MeshTopic,
  payload: Buffer,
  settings: MeshSettings,
  arrivedAt: number,
): MeshReading {
  const channelName = 'channelName' in topic ? { channelName: topic.channelName } : {}
  // An SOS is not refused for its size.
  if (topic.is === 'radio-sos') return readDeviceReport('sos', topic.hardwareId, payload, arrivedAt)
  if (payload.length > MESSAGE_BYTES_MAX) return { is: 'refused', why: 'too-large', ...channelName }
  try {
    switch (topic.is) {
      case 'envelope':
        return readEnvelope(topic, payload, settings, arrivedAt)
      case 'json':
        return readFirmwareJson(payload, { ...arrivalOf(topic, arrivedAt), ...channelName }, settings)
      case 'map':
        return readMapReport(payload, arrivedAt)
      case 'stat':
        return alive(readNodeId(topic.gatewayNode) ?? 0, payload.toString('latin1') === 'online', arrivedAt)
      case 'bridge':
        return readBridgePacket(payload, { arrivedAt }, settings)
      case 'radio-tel':
        return readDeviceReport('tel', topic.hardwareId, payload, arrivedAt)
    }
  } catch (error) {
    if (error instanceof ProtobufError) return { is: 'refused', why: 'malformed', ...channelName }
    throw error
  }
}

function readEnvelope(
  topic: Extract<MeshTopic, { is: 'envelope' | 'json' }>,
  payload: Buffer,
  settings: MeshSettings,
  arrivedAt: number,
): MeshReading {
  const { packet, channelName: named, gatewayId } = envelopeType.read(payload)
  const channelName = named || topic.channelName
  if (!packet) return { is: 'refused', why: 'malformed', channelName }
  const arrival = { ...arrivalOf(topic, arrivedAt), channelName }
  if (readNodeId(gatewayId) !== arrival.gateway)
    return { is: 'refused', why: 'gateway-mismatch', channelName }
  return readHeardPacket(packet, arrival, settings)
}

/** Only that the gateway is there: nothing else of it is needed. */
function readMapReport(payload: Buffer, arrivedAt: number): MeshReading {
  const gateway = readNodeId(envelopeType.read(payload).gatewayId)
  return gateway === null ? { is: 'refused', why: 'malformed' } : alive(gateway, true, arrivedAt)
}

function alive(gateway: number, isOnline: boolean, arrivedAt: number): MeshReading {
  const header = { from: gateway, to: 0, packetId: 0, gateway }
  const part = { content: isOnline ? ({ is: 'gateway-alive' } as const) : ({ is: 'other' } as const) }
  return { is: 'messages', messages: messagesOf([part], header, arrivedAt) }
}

function arrivalOf({ gatewayNode }: { gatewayNode: string }, arrivedAt: number): Arrival {
  const gateway = readNodeId(gatewayNode)
  return { arrivedAt, ...(gateway === null ? {} : { gateway }) }
}

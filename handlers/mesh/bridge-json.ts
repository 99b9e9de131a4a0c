import { decodeText } from '../payload.js'
import { readHeardPacket } from './heard-packet.js'
import type { Arrival, MeshSettings } from './heard-packet.js'
import { countsOf, isRecord, numbersOf, readMeshJson, readUint32 } from './mesh-json.js'
import type { MeshReading } from './mesh-message.js'
import { readNodeId } from '../../store/node-ids.js'
import { BROADCAST, packetType, PORT } from './packets.js'
import type { Data, MeshPacket } from './packets.js'

/**
 * What bridge programs publish: the dictionary of the Python programs as JSON, or a packet of the air in base64. Of the
 * dictionary only the port and the payload's bytes count; the copies that stand beside them are not needed.
 *
 * @throws ProtobufError
 */
export function readBridgePacket(payload: Buffer, arrival: Arrival, settings: MeshSettings): MeshReading {
  const text = decodeText(payload).trim()
  const packet = text.startsWith('{') ? readDictionary(readMeshJson(payload)) : readBase64Packet(text)
  return packet ? readHeardPacket(packet, arrival, settings) : { is: 'refused', why: 'malformed' }
}

function readBase64Packet(text: string): MeshPacket | null {
  const bytes = readBase64(text)
  return bytes && bytes.length > 0 ? packetType.read(bytes) : null
}

function readDictionary(json: Record<string, unknown> | null): MeshPacket | null {
  if (!json) return null
  const decoded = isRecord(json.decoded) ? readDecoded(json.decoded) : null
  const encrypted = decoded ? null : readBase64(json.encrypted)
  const from = readUint32(json.from) ?? readNodeId(json.fromId)
  const to = readUint32(json.to) ?? (json.toId === '^all' ? BROADCAST : readNodeId(json.toId))
  const id = readUint32(json.id)
  return {
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
    ...(id === undefined ? {} : { id }),
    ...(decoded ? { decoded } : {}),
    ...(encrypted ? { encrypted } : {}),
    ...numbersOf({ snr: json.rxSnr, rssi: json.rxRssi }),
    ...countsOf({
      channel: json.channel,
      heardAtS: json.rxTime,
      hopLimit: json.hopLimit,
      hopStart: json.hopStart,
    }),
    viaMqtt: json.viaMqtt === true,
    isPki: json.pkiEncrypted === true,
  }
}

function readDecoded({ portnum, payload, text, bitfield }: Record<string, unknown>): Data | null {
  const port = readUint32(portnum) ?? PORT_NAMES.get(portnum) ?? 0
  const bytes = readBase64(payload) ?? (typeof text === 'string' ? Buffer.from(text) : null)
  return { port, ...(bytes ? { payload: bytes } : {}), ...countsOf({ bitfield }) }
}

function readBase64(text: unknown): Buffer | null {
  return typeof text === 'string' && BASE64.test(text) ? Buffer.from(text, 'base64') : null
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/
/** Ports by the names that these programs use; one without a name comes as its number. */
const PORT_NAMES: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  ['TEXT_MESSAGE_APP', PORT.text],
  ['POSITION_APP', PORT.position],
  ['NODEINFO_APP', PORT.nodeInfo],
  ['DETECTION_SENSOR_APP', PORT.detectionSensor],
  ['ALERT_APP', PORT.alert],
  ['TELEMETRY_APP', PORT.telemetry],
  ['MAP_REPORT_APP', PORT.mapReport],
  ['PRIVATE_APP', 256],
])

import { readJsonObject } from '../payload.js'
import { messagesOf, problemOf } from './heard-packet.js'
import type { Arrival, HeardHeader, MeshSettings } from './heard-packet.js'
import { nodeInfoOf, positionPart, sensorOf, telemetryOf, textOf } from './mesh-content.js'
import type { ContentPart, MeshReading } from './mesh-message.js'
import { readNodeId } from '../../store/node-ids.js'

/**
 * The JSON that nodes up to firmware 2.7 publish beside the envelope. It has less: no alert and no private port (their
 * `type` is empty), no time of telemetry, no key of a node.
 */
export function readFirmwareJson(payload: Buffer, arrival: Arrival, settings: MeshSettings): MeshReading {
  const json = readMeshJson(payload)
  if (!json) return { is: 'refused', why: 'malformed' }
  const { channelName, gateway } = arrival
  const header: HeardHeader = {
    ...arrival,
    from: readUint32(json.from) ?? 0,
    to: readUint32(json.to) ?? 0,
    packetId: readUint32(json.id) ?? 0,
    ...numbersOf({ snr: json.snr, rssi: json.rssi }),
    ...countsOf({ heardAtS: json.timestamp, hops: json.hops_away }),
  }
  const why = readNodeId(json.sender) === gateway ? problemOf(header) : 'gateway-mismatch'
  if (why) return { is: 'refused', why, from: header.from, ...(channelName ? { channelName } : {}) }
  return {
    is: 'messages',
    messages: messagesOf([readPart(json, header, settings)], header, arrival.arrivedAt),
  }
}

function readPart(
  json: Record<string, unknown>,
  header: HeardHeader,
  { triggers }: MeshSettings,
): ContentPart {
  const fields = isRecord(json.payload) ? json.payload : {}
  switch (json.type) {
    case 'text':
      return { content: textOf(readText(json.payload), header, triggers) }
    case 'detection':
      return { content: sensorOf(readText(json.payload), triggers) }
    case 'position':
      return positionPart({
        ...numbersOf({
          latitudeI: fields.latitude_i,
          longitudeI: fields.longitude_i,
          altitude: fields.altitude,
        }),
        ...countsOf({
          timeS: fields.time,
          fixedAtS: fields.timestamp,
          pdop: fields.PDOP,
          speed: fields.ground_speed,
          track: fields.ground_track,
          satellites: fields.sats_in_view,
          precisionBits: fields.precision_bits,
        }),
      })
    case 'telemetry': {
      // Other kinds of telemetry have a voltage too, and nothing says which kind it is.
      if (!DEVICE_KEYS.some((key) => key in fields)) return { content: { is: 'other' } }
      const device = {
        ...numbersOf({
          voltage: fields.voltage,
          channelUtilization: fields.channel_utilization,
          airUtilTx: fields.air_util_tx,
        }),
        ...countsOf({ battery: fields.battery_level, uptimeS: fields.uptime_seconds }),
      }
      return { content: telemetryOf(device) }
    }
    case 'nodeinfo': {
      const numbers = countsOf({ hardwareModel: fields.hardware, role: fields.role })
      const names = {
        ...(typeof fields.longname === 'string' ? { longName: fields.longname } : {}),
        ...(typeof fields.shortname === 'string' ? { shortName: fields.shortname } : {}),
      }
      return { content: nodeInfoOf({ ...names, ...numbers }, header.from) }
    }
    default:
      return { content: { is: 'other' } }
  }
}

/** A text that is JSON itself stands there as that JSON: `112` as a number, `true` as a boolean. */
function readText(payload: unknown): string {
  if (isRecord(payload) && typeof payload.text === 'string') return payload.text
  return typeof payload === 'object' && payload !== null ? JSON.stringify(payload) : String(payload)
}

/** Some firmware leaves control characters in names as they are, which JSON forbids; outside of names they are space. */
export function readMeshJson(payload: Buffer): Record<string, unknown> | null {
  return readJsonObject(payload) ?? readJsonObject(Buffer.from(payload.map((byte) => Math.max(byte, SPACE))))
}

/** Before 2.2 the numbers of nodes and packets were signed. */
export function readUint32(value: unknown): number | undefined {
  const isOne = Number.isInteger(value) && (value as number) >= -(2 ** 31) && (value as number) < 2 ** 32
  return isOne ? (value as number) >>> 0 : undefined
}

/** Only what is a number of a size that a node can send. */
export function numbersOf<Name extends string>(values: Record<Name, unknown>): { [N in Name]?: number } {
  return pick(values, (value) => Math.abs(value) < 2 ** 32)
}

/** As numbersOf, whole ones from 0. */
export function countsOf<Name extends string>(values: Record<Name, unknown>): { [N in Name]?: number } {
  return pick(values, (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)
}

function pick<Name extends string>(values: Record<Name, unknown>, may: (value: number) => boolean) {
  const entries = Object.entries(values).filter(([, value]) => typeof value === 'number' && may(value))
  return Object.fromEntries(entries) as { [N in Name]?: number }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const DEVICE_KEYS = ['battery_level', 'channel_utilization', 'air_util_tx', 'uptime_seconds']
const SPACE = 0x20

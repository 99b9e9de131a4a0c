import { hasBadPosition, keepFields, readJsonObject, readPosition, readTimestamp } from '../payload.js'
import { readSosReport } from '../sos-report.js'
import { readEixamContents } from './eixam-content.js'
import type { EixamKind } from './eixam-radio.js'
import { checkFix } from './fix.js'
import type { ContentPart, MeshContent, MeshReading } from './mesh-message.js'
import { readTimes } from './mesh-times.js'
import { MESSAGE_BYTES_MAX } from './protobuf.js'

/**
 * What a gateway says for an EIXAM device, whose hardware id and whether it is an SOS the topic told: JSON with the
 * SDK's fields, or `{"eixam":"<hex>"}` with a packet of the air. An SOS that cannot be read is one all the same.
 */
export function readDeviceReport(
  kind: EixamKind,
  hardwareId: string,
  payload: Buffer,
  arrivedAt: number,
): MeshReading {
  const json = readJsonObject(payload)
  const timestampS = secondsOf(json?.timestamp)
  const parts =
    json?.eixam === undefined
      ? readReport(kind, json, payload, arrivedAt)
      : (readPacket(kind, json.eixam) ?? (kind === 'sos' ? [unreadableSos(payload)] : null))
  if (!parts) return { is: 'refused', why: 'malformed' }
  return {
    is: 'messages',
    messages: parts.map(({ content, relayedDevice }) => ({
      sender: { is: 'device', hardwareId },
      ...(relayedDevice === undefined ? {} : { relayedDevice }),
      packetId: 0,
      times: readTimes([timestampS], undefined, arrivedAt),
      content,
    })),
  }
}

function readPacket(kind: EixamKind, hex: unknown): ContentPart[] | null {
  if (typeof hex !== 'string' || !/^(?:[0-9a-f]{2})+$/i.test(hex)) return null
  return readEixamContents(kind, Buffer.from(hex, 'hex'))
}

function readReport(
  kind: EixamKind,
  json: Record<string, unknown> | null,
  payload: Buffer,
  arrivedAt: number,
): ContentPart[] | null {
  if (kind === 'sos') return [{ content: sosOf(payload, arrivedAt) }]
  return json ? [{ content: telemetryOf(json) }] : null
}

function sosOf(payload: Buffer, arrivedAt: number): MeshContent {
  const { report } = readSosReport(payload, new Date(arrivedAt))
  const { position, message, reportKey, raw, deviceId, hardwareId, triggerSource, source } = report
  // Whose SOS it is the topic says; what the payload says of it is kept with the rest.
  const named = Object.entries({ deviceId, hardwareId, triggerSource, source })
  const fields = {
    ...report.fields,
    ...Object.fromEntries(named.filter(([, value]) => value !== undefined)),
  }
  const checked = position ? checkFix(position.latitude, position.longitude, position.altitude) : null
  return {
    is: 'sos',
    trigger: 'topic',
    ...(message === undefined ? {} : { note: message }),
    ...(checked && 'fix' in checked ? { fix: checked.fix } : {}),
    ...(Object.keys(fields).length > 0 ? { fields } : {}),
    ...(reportKey === undefined ? {} : { timestampKey: reportKey }),
    ...(raw === undefined ? {} : { raw }),
  }
}

/** A packet of no kind that we know, on the topic of SOS. */
function unreadableSos(payload: Buffer): ContentPart {
  return {
    content: { is: 'sos', trigger: 'topic', raw: payload.subarray(0, MESSAGE_BYTES_MAX).toString('base64') },
  }
}

function telemetryOf(json: Record<string, unknown>): MeshContent {
  const { timestamp: _time, latitude: _lat, longitude: _lon, altitude: _alt, ...others } = json
  const kept = keepFields(others)
  const fields = kept ? { fields: kept } : {}
  if (json.kind === 'HEARTBEAT') return { is: 'telemetry', ...fields }
  if (hasBadPosition(json)) return { is: 'no-position', why: 'out-of-range', ...fields }
  const position = readPosition(json)
  if (!position) return { is: 'telemetry', ...fields }
  const checked = checkFix(position.latitude, position.longitude, position.altitude)
  return 'fix' in checked
    ? { is: 'position', fix: checked.fix, ...fields }
    : { is: 'no-position', why: checked.why, ...fields }
}

function secondsOf(timestamp: unknown): number | undefined {
  const ms = readTimestamp(timestamp)?.ms
  return ms === undefined ? undefined : ms / 1_000
}

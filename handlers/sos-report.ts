import type { SosReport } from '../store/store.js'
import {
  decodeText,
  hasBadPosition,
  keepFields,
  readDeviceId,
  readJsonObject,
  readPosition,
  readText,
  readTimestamp,
} from './payload.js'

/** A report and what was odd about it, for the log and the counters. */
export interface ReadReport {
  report: SosReport
  /** Whom the payload names, as it came: never decides whose report it is. */
  namedUserId: unknown
  oddities: Oddity[]
}

export type Oddity =
  'unreadable-payload' | 'no-usable-timestamp' | 'bad-position' | 'bad-field' | 'fields-too-large' | 'raw-cut'

/**
 * Reads an SOS leniently: whatever can be read counts, whatever cannot is left out, and nothing makes the
 * report as a whole fail. Without a usable time the server's clock stands in.
 */
export function readSosReport(payload: Buffer, now: Date): ReadReport {
  const json = readJsonObject(payload)
  if (json) return readFields(json, now)
  const salvaged = readFields(salvage(decodeText(payload)), now)
  return {
    ...salvaged,
    report: { ...salvaged.report, raw: payload.subarray(0, RAW_BYTES_MAX).toString('base64') },
    oddities: [
      'unreadable-payload',
      ...(payload.length > RAW_BYTES_MAX ? ['raw-cut' as const] : []),
      ...salvaged.oddities,
    ],
  }
}

function readFields(json: Record<string, unknown>, now: Date): ReadReport {
  const {
    timestamp,
    userId,
    latitude: _lat,
    longitude: _lon,
    altitude: _alt,
    deviceId,
    hardwareId,
    triggerSource,
    source,
    message,
    ...others
  } = json
  const time = readTimestamp(timestamp)
  const position = readPosition(json)
  const known = {
    deviceId: readDeviceId(deviceId),
    hardwareId: readDeviceId(hardwareId),
    triggerSource: readText(triggerSource, WORD_LENGTH_MAX),
    source: readText(source, WORD_LENGTH_MAX),
    message: readText(message, MESSAGE_LENGTH_MAX),
  }
  const oddities: Oddity[] = []
  if (!time) oddities.push('no-usable-timestamp')
  if (hasBadPosition(json)) oddities.push('bad-position')
  const fields = keepFields(others)
  if (!fields && Object.keys(others).length > 0) oddities.push('fields-too-large')
  const given = { deviceId, hardwareId, triggerSource, source, message }
  for (const [name, value] of Object.entries(known)) {
    if (value === undefined && ![undefined, null, ''].includes(given[name as keyof typeof given] as never))
      oddities.push('bad-field')
  }
  const timestampText = time?.text ?? now.toISOString()
  const report: SosReport = {
    timestamp: timestampText,
    ...(time ? { reportKey: time.key } : {}),
    ...(position ? { position, positionAt: timestampText } : {}),
    ...withoutUndefined(known),
    ...(fields ? { fields } : {}),
  }
  return { report, namedUserId: userId, oddities }
}

/** Fields of a payload that is no JSON: a quote in a message must not cost the position. */
function salvage(text: string): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const [, name, string, number] of text.matchAll(SALVAGED_FIELD)) {
    if (name !== undefined && !(name in found)) found[name] = number === undefined ? string : Number(number)
  }
  return found
}

// A number counts only with what ends it: one that was cut off is another number.
const SALVAGED_FIELD =
  /"(timestamp|latitude|longitude|altitude|deviceId|hardwareId|userId|identitySource|triggerSource)"\s{0,8}:\s{0,8}(?:"([^"\\]{0,256})"|(-?\d{1,10}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?)(?=\s{0,8}[,}\]]))/g

/** An unreadable SOS is kept as it came, within reason: the newest events of an app have to stay within its memory. */
const RAW_BYTES_MAX = 16_384
const WORD_LENGTH_MAX = 64
const MESSAGE_LENGTH_MAX = 4_096

function withoutUndefined(fields: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

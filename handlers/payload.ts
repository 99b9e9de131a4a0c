import type { Position } from '../store/store.js'
import { idFormOf } from '../store/user.js'
import type { User } from '../store/user.js'

/**
 * The text of a payload. The SDK writes what is not ASCII as bytes that are no UTF-8: Latin-1 below U+0100,
 * two bytes little-endian above. So: UTF-8 if it is, else Latin-1.
 */
export function decodeText(payload: Buffer): string {
  try {
    return utf8.decode(payload)
  } catch {
    return payload.toString('latin1')
  }
}

/** The JSON object in a payload, or null when there is none or it nests deeper than JSON_DEPTH_MAX. */
export function readJsonObject(payload: Buffer): Record<string, unknown> | null {
  let value: unknown
  try {
    value = JSON.parse(decodeText(payload))
  } catch {
    return null
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject && !isDeeperThan(value, JSON_DEPTH_MAX) ? (value as Record<string, unknown>) : null
}

/** What JSON.parse reads at any depth JSON.stringify and Redis cannot write again. */
function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  for (const name in value)
    if (isDeeperThan((value as Record<string, unknown>)[name], levels - 1)) return true
  return false
}

/** A point in time as a client wrote it. */
export interface Timestamp {
  /** As written, with a Z where no zone stood: a time without a zone is UTC. */
  text: string
  /** Milliseconds since 1970. */
  ms: number
  /** The same with all its fraction digits down to microseconds: equal times have equal keys. */
  key: string
}

/** ISO 8601 with any number of fraction digits; null when it is no usable time. */
export function readTimestamp(value: unknown): Timestamp | null {
  if (typeof value !== 'string') return null
  const match = ISO_8601.exec(value.trim())
  if (!match) return null
  const [, date, time, fraction = '', zone = 'Z'] = match
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`)
  if (Number.isNaN(ms) || !isCalendarDate(date as string)) return null
  const micros = fraction.slice(0, 6).padEnd(6, '0')
  const seconds = ms / 1000 // the fraction is not in it
  const written = value.trim()
  return {
    text: match[4] === undefined ? `${written}Z` : written,
    ms: ms + Number(micros.slice(0, 3)),
    // The digits stand behind each other, but before 1970.
    key: seconds > 0 ? `${seconds}${micros}` : String(BigInt(ms) * 1000n + BigInt(micros)),
  }
}

/**
 * A position, or null when there is none that can be trusted. Exactly 0,0 from a wearable (`identitySource`
 * `ble_node`) is its way to say that it has no fix.
 */
export function readPosition(json: Record<string, unknown>): Position | null {
  const { latitude, longitude, altitude, identitySource } = json
  if (!isWithin(latitude, 90) || !isWithin(longitude, 180)) return null
  if (latitude === 0 && longitude === 0 && identitySource === 'ble_node') return null
  return typeof altitude === 'number' && Number.isFinite(altitude)
    ? { latitude, longitude, altitude }
    : { latitude, longitude }
}

/** Whether coordinates were given that are none. */
export function hasBadPosition({ latitude, longitude }: Record<string, unknown>): boolean {
  const given = [latitude, longitude].filter((value) => value !== undefined && value !== null).length
  return given > 0 && !(isWithin(latitude, 90) && isWithin(longitude, 180))
}

/** Whether the `userId` of a payload names somebody else than the sender. Absent, null and blank name nobody. */
export function namesOther(user: User, userId: unknown): boolean {
  if (userId === undefined || userId === null) return false
  if (typeof userId !== 'string' && typeof userId !== 'number') return true
  const name = String(userId)
  const isOwn =
    [name, name.trim()].some((id) => idFormOf(user, id)) || name === asDartWrites(user.externalUserId)
  return name.trim() !== '' && !isOwn
}

/** What decodeText makes of a text that the SDK wrote: units above U+00FF come as two Latin-1 characters. */
function asDartWrites(text: string): string {
  return Array.from({ length: text.length }, (_, i) => {
    const unit = text.charCodeAt(i)
    return unit <= 0xff ? String.fromCharCode(unit) : String.fromCharCode(unit & 0xff, unit >> 8)
  }).join('')
}

/**
 * Fields that are kept as they came; undefined when there are none, or more than FIELDS_LENGTH_MAX. `payloadLength` is
 * that of the JSON they came in, in bytes: of a short one they are short as well.
 */
export function keepFields(
  fields: Record<string, unknown>,
  payloadLength = Infinity,
): Record<string, unknown> | undefined {
  if (Object.keys(fields).length === 0) return undefined
  const isShort = payloadLength * GROWTH_MAX <= FIELDS_LENGTH_MAX
  return isShort || JSON.stringify(fields).length <= FIELDS_LENGTH_MAX ? fields : undefined
}

/** A string that may be kept: not blank and not longer than a field of ours. Trimmed. */
export function readText(value: unknown, lengthMax: number): string | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  return text === '' || text.length > lengthMax ? undefined : text
}

/** A device or hardware id is an opaque string (a MAC or a node number in decimal); some clients send numbers. */
export function readDeviceId(value: unknown): string | undefined {
  return readText(
    typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value,
    DEVICE_ID_LENGTH_MAX,
  )
}

function isWithin(value: unknown, limit: number): value is number {
  return typeof value === 'number' && Math.abs(value) <= limit
}

// Date.parse takes 30 February for 1 March; a day of 32 or a month of 13 it refuses itself.
function isCalendarDate(date: string): boolean {
  const day = Number(date.slice(8))
  if (day <= 28) return true
  // The calendar repeats every 400 years, and Date.UTC takes the years before 100 for others.
  const lastOfMonth = new Date(Date.UTC(Number(date.slice(0, 4)) + 400, Number(date.slice(5, 7)), 0))
  return day <= lastOfMonth.getUTCDate()
}

const ISO_8601 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?([Zz]|[+-]\d{2}:?\d{2})?$/
const DEVICE_ID_LENGTH_MAX = 128
// An SOS of the SDK with every field is below 4 KiB. Larger ones would push everybody else's out of the app's log.
const FIELDS_LENGTH_MAX = 8_192
/** 1e20 is written as 100000000000000000000, and nothing grows by more. */
const GROWTH_MAX = 6
// The SDK nests two levels.
const JSON_DEPTH_MAX = 32
const utf8 = new TextDecoder('utf-8', { fatal: true })

import type { Fix, NoFix } from './mesh-message.js'
import type { RawPosition } from './packets.js'

export type FixOrWhy = { fix: Fix } | { why: NoFix }

/** A position as a node sends it, in whole numbers, or why it is none. */
export function fixOf(raw: RawPosition): FixOrWhy {
  const { latitudeI, longitudeI, altitude, ellipsoidAltitude, precisionBits, origin } = raw
  if (latitudeI === undefined || longitudeI === undefined) return { why: 'missing' }
  const checked = checkFix(latitudeI / 1e7, longitudeI / 1e7, altitude ?? ellipsoidAltitude)
  if ('why' in checked) return checked
  const isRounded = precisionBits !== undefined && precisionBits >= 1 && precisionBits <= 32
  const originName = ORIGINS[origin ?? 0]
  return {
    fix: {
      ...checked.fix,
      ...(isRounded ? roundingOf(precisionBits) : {}),
      ...(originName ? { origin: originName } : {}),
      ...(raw.pdop ? { pdop: raw.pdop / 100 } : {}),
      ...(raw.satellites ? { satellites: raw.satellites } : {}),
      ...(raw.speed !== undefined && raw.speed <= SPEED_KMH_MAX ? { speedKmh: raw.speed } : {}),
      ...(raw.track !== undefined && raw.track <= 360e5 ? { trackDegrees: raw.track / 1e5 } : {}),
    },
  }
}

/** Exactly 0,0 is how devices without a fix say so; an altitude that cannot be is left out. */
export function checkFix(latitude: number, longitude: number, altitude: number | undefined): FixOrWhy {
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) return { why: 'out-of-range' }
  if (latitude === 0 && longitude === 0) return { why: 'zero' }
  const hasAltitude = altitude !== undefined && altitude >= ALTITUDE_MIN && altitude <= ALTITUDE_MAX
  return { fix: { latitude, longitude, ...(hasAltitude ? { altitude } : {}) } }
}

/** A node keeps the top bits and sends the middle of the cell. */
function roundingOf(precisionBits: number): Pick<Fix, 'precisionBits' | 'accuracyMeters'> {
  const halfCellMeters = (2 ** (31 - precisionBits) / 1e7) * METERS_PER_DEGREE
  return {
    precisionBits,
    ...(halfCellMeters >= ACCURACY_TOLD_METERS ? { accuracyMeters: Math.round(halfCellMeters) } : {}),
  }
}

const ORIGINS = [undefined, 'manual', 'internal', 'external'] as const
/** Of latitude, at most; a degree of longitude is shorter. */
const METERS_PER_DEGREE = 111_320
/** About what a small receiver errs by under trees. */
const ACCURACY_TOLD_METERS = 10
const SPEED_KMH_MAX = 1_000
/** Below the shore of the Dead Sea, and where airliners fly. */
const ALTITUDE_MIN = -500
const ALTITUDE_MAX = 12_000

import type { Commands } from './connection.js'

/** A hash whose version is none of its entries: with every change it gets a new name. */
export interface VersionedHash {
  version: string
  fields: Record<string, string>
}

/**
 * Reads a hash of which one field, `versionField`, changes with every change: so that asking whether there was one is
 * cheap. Null when it still has the version that is known.
 */
export async function readChanged(
  redis: Commands,
  key: string,
  versionField: string,
  known: string | null,
): Promise<VersionedHash | null> {
  if (known !== null && (await redis.hget(key, versionField)) === known) return null
  const { [versionField]: version = NEVER, ...fields } = await redis.hgetall(key)
  return version === known ? null : { version, fields }
}

/** Of a hash that is not there. */
const NEVER = 'never changed'

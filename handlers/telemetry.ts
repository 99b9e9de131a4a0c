import type { TelemetryStore } from '../store/store.js'
import type { AliasLearner } from './device-alias.js'
import { readNamedDevices } from './device-owner.js'
import type { Clock, Handler } from './handler.js'
import {
  hasBadPosition,
  keepFields,
  namesOther,
  readJsonObject,
  readPosition,
  readTimestamp,
} from './payload.js'

/**
 * Keeps telemetry of either generation of client. What cannot be read, or names another user, is dropped and
 * acknowledged. A heartbeat is kept, its position never (contract of the SDK: it carries 0,0).
 */
export function createTelemetryHandler(options: {
  telemetry: Pick<TelemetryStore, 'append'>
  learnAlias: AliasLearner
  clock: Clock
}): Handler {
  const { telemetry, learnAlias, clock } = options
  return async ({ user, payload }) => {
    const json = readJsonObject(payload)
    if (!json) return { is: 'dropped', why: 'payload is no JSON object' }
    if (namesOther(user, json.userId)) return { is: 'dropped', why: 'names another user' }
    const isHeartbeat = json.kind === 'HEARTBEAT'
    if (!isHeartbeat && hasBadPosition(json)) return { is: 'dropped', why: 'position out of range' }
    const position = isHeartbeat ? null : readPosition(json)
    const { timestamp, userId: _named, latitude: _lat, longitude: _lon, altitude: _alt, ...others } = json
    const time = readTimestamp(timestamp)
    const now = clock.now().toISOString()
    const { appId, userId, externalUserId } = user
    await telemetry.append({
      appId,
      userId,
      externalUserId,
      occurredAt: time?.text ?? now,
      receivedAt: now,
      ...(position ? { position } : {}),
      fields: keepFields(others, payload.length) ?? {},
    })
    learnAlias(user, readNamedDevices(json))
    return { is: 'accepted', notes: time ? [] : ['no-usable-timestamp'] }
  }
}

import mqttPacket from 'mqtt-packet'
import type { Credentials } from './broker.js'

/** Valid packets as bytes, written by mqtt-packet. */
export type Version = 4 | 5

export function connectBytes(
  { username, password }: Credentials,
  {
    version = 4,
    keepalive = 30,
    clientId = 'raw',
  }: { version?: Version; keepalive?: number; clientId?: string } = {},
): Buffer {
  return mqttPacket.generate(
    {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: version,
      clean: true,
      clientId,
      keepalive,
      username,
      password: Buffer.from(password),
    },
    { protocolVersion: version },
  )
}

export function publishBytes(
  topic: string,
  payload: string | Buffer,
  { qos = 1, messageId = 1, version = 4 }: { qos?: 0 | 1 | 2; messageId?: number; version?: Version } = {},
): Buffer {
  return mqttPacket.generate(
    { cmd: 'publish', topic, payload, qos, retain: false, dup: false, ...(qos > 0 ? { messageId } : {}) },
    { protocolVersion: version },
  )
}

export const DISCONNECT = Buffer.from([0xe0, 0])
export const PINGREQ = Buffer.from([0xc0, 0])

/** An SOS whose `timestamp` is that of a fixed minute and `n` milliseconds: equal for equal n. */
export function sosPayload(n = 0): string {
  return JSON.stringify({
    timestamp: new Date(Date.UTC(2026, 4, 1, 10) + n).toISOString(),
    latitude: 41.4,
    longitude: 2.2,
    altitude: 0,
  })
}

export function telemetryPayload(n = 0, padding = ''): string {
  return JSON.stringify({
    timestamp: new Date(Date.UTC(2026, 4, 1, 10) + n).toISOString(),
    latitude: 41.4,
    longitude: 2.2,
    altitude: 0,
    n,
    ...(padding === '' ? {} : { padding }),
  })
}

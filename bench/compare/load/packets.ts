import mqttPacket from 'mqtt-packet'

export type Version = 4 | 5

/** A signed client, and where it publishes and listens. */
export interface Identity {
  clientId: string
  username?: string
  password?: string
  telemetryTopic: string
  sosTopic: string
  eventFilter: string
}

export function connectBytes({ clientId, username, password }: Identity, version: Version): Buffer {
  return mqttPacket.generate(
    {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: version,
      clean: true,
      clientId,
      keepalive: KEEP_ALIVE_S,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    },
    { protocolVersion: version },
  )
}

export function subscribeBytes(topic: string, version: Version): Buffer {
  const subscriptions = [{ topic, qos: 1 as const }]
  return mqttPacket.generate({ cmd: 'subscribe', messageId: 1, subscriptions }, { protocolVersion: version })
}

export const DISCONNECT_BYTES = Buffer.of(0xe0, 0)

/** A PUBLISH whose packet id and mark are written into its bytes each time it is sent. */
export interface PreparedPublish {
  bytes: Buffer
  /** Where the two bytes of the packet id begin. */
  packetIdAt: number
  /** Where the mark begins, and how many ASCII characters it has. */
  markAt: number
  markLength: number
}

/** A position, `n` of which is its mark: a number that stays with it until it is found in the store. */
export function prepareTelemetry(topic: string, run: string, version: Version): PreparedPublish {
  const payload = JSON.stringify({
    timestamp: new Date().toISOString(),
    latitude: 41.38879,
    longitude: 2.15899,
    altitude: 12.5,
    deviceBattery: 80,
    run,
    n: FIRST_NUMBER,
  })
  return preparePublish(topic, payload, String(FIRST_NUMBER), version)
}

/** An SOS, whose mark is its time. */
export function prepareSos(topic: string, version: Version): PreparedPublish {
  const time = '2026-05-01T10:00:00.000Z'
  const payload = JSON.stringify({ timestamp: time, latitude: 41.38879, longitude: 2.15899, altitude: 12.5 })
  return preparePublish(topic, payload, time, version)
}

function preparePublish(topic: string, payload: string, mark: string, version: Version): PreparedPublish {
  const bytes = mqttPacket.generate(
    { cmd: 'publish', topic, payload, qos: 1, messageId: 1, retain: false, dup: false },
    { protocolVersion: version },
  )
  const payloadAt = bytes.length - Buffer.byteLength(payload)
  return {
    bytes,
    packetIdAt: payloadAt - 2 - (version === 5 ? 1 : 0),
    markAt: payloadAt + payload.indexOf(mark),
    markLength: mark.length,
  }
}

/** The first of the numbers of one client; all have nine digits, so that the length of a packet never changes. */
export const FIRST_NUMBER = 100_000_000
/** The SDK's is 30. Longer than any measure here, so that nobody is sent away for want of a PINGREQ. */
const KEEP_ALIVE_S = 600

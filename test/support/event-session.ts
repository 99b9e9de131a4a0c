import type { Test } from 'tap'
import type { Broker, Credentials } from './broker.js'
import { logIn } from './raw-client.js'

export interface ReceivedEvent {
  topic: string
  event: Record<string, unknown> & { type?: string; incidentId?: string }
}

/** An MQTT session that records its lifecycle events in the order in which they came. */
export interface EventSession {
  received: ReceivedEvent[]
  /** The events of this type about this incident. */
  of(type: string, incidentId: string): ReceivedEvent[]
  /** Resolves with the first event, past or future, that fits. */
  until(fits: (received: ReceivedEvent) => boolean): Promise<ReceivedEvent>
  /** Publishes with QoS 1 and resolves at the PUBACK. */
  publish(topic: string, payload: string | Buffer): Promise<void>
}

/** Logs in over TCP and subscribes with QoS 1, one packet per filter, as the SDK does. */
export async function openEventSession(
  t: Test,
  broker: Broker,
  credentials: Credentials,
  topicFilters: string[],
): Promise<EventSession> {
  const client = await logIn(t, broker.ports.mqtt, credentials)
  for (const [i, topic] of topicFilters.entries()) {
    client.sendPacket({ cmd: 'subscribe', messageId: i + 1, subscriptions: [{ topic, qos: 1 }] })
    const { granted } = await client.nextOf('suback')
    if (granted[0] !== 1) throw new Error(`SUBACK ${String(granted[0])} for ${topic}`)
  }
  const received: ReceivedEvent[] = []
  const waiting = new Map<(event: ReceivedEvent) => boolean, (event: ReceivedEvent) => void>()
  const unacknowledged = new Map<number, () => void>()
  let lastPacketId = 100

  void (async () => {
    for (;;) {
      const packet = await client.next()
      if (packet.cmd === 'puback') unacknowledged.get(packet.messageId ?? 0)?.()
      if (packet.cmd !== 'publish') continue
      const event = { topic: packet.topic, event: JSON.parse(packet.payload.toString()) as never }
      received.push(event)
      client.sendPacket({ cmd: 'puback', messageId: packet.messageId ?? 0 })
      for (const [fits, resolve] of waiting) if (fits(event)) resolve(event)
    }
  })().catch(() => {}) // the test ends the connection

  return {
    received,
    of: (type, incidentId) =>
      received.filter(({ event }) => event.type === type && event.incidentId === incidentId),
    until(fits) {
      const past = received.find(fits)
      return past ? Promise.resolve(past) : new Promise((resolve) => waiting.set(fits, resolve))
    },
    publish(topic, payload) {
      const messageId = ++lastPacketId
      client.sendPacket({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false })
      return new Promise((resolve) => unacknowledged.set(messageId, resolve))
    },
  }
}

import type { Packet } from 'mqtt-packet'
import type { LifecycleEvent } from '../../store/store.js'
import type { RawClient } from './raw-client.js'
import type { RedisServer } from './redis.js'

/** An SOS as the SDK writes it: `n` milliseconds after a fixed time. */
export function sosPayload(n: number): string {
  return JSON.stringify({ timestamp: timestampOf(n), latitude: 41.4, longitude: 2.2, altitude: 0 })
}

export function timestampOf(n: number): string {
  return new Date(Date.parse('2026-05-01T10:00:00.000Z') + n).toISOString()
}

export function publishPacket(topic: string, payload: string, messageId: number): Packet {
  return { cmd: 'publish', topic, payload, qos: 1, messageId, retain: false, dup: false }
}

/** Publishes one SOS and waits: true when it was acknowledged, false when the connection ended instead. */
export async function publishSos(client: RawClient, n: number, messageId = 1): Promise<boolean> {
  client.sendPacket(publishPacket('sos/alerts', sosPayload(n), messageId))
  try {
    const { messageId: acknowledged } = await client.take('puback') // its event may be here already
    return acknowledged === messageId
  } catch {
    return false
  }
}

/** Publishes the same SOS over new connections until one is acknowledged; tells how often it was not. */
export async function publishSosUntilStored(logIn: () => Promise<RawClient>, n: number): Promise<number> {
  for (let failures = 0; ; failures++) {
    const client = await logIn()
    const isStored = await publishSos(client, n)
    client.socket.destroy()
    if (isStored) return failures
  }
}

export interface EventCopy {
  topic: string
  type: string
  eventId: string
  incidentId: string
  userId: string
  occurredAt: string
  snapshotVersion: number
}

/** Subscribes and acknowledges every event. `until` resolves with all copies so far once `fits` says so. */
export async function subscribeToEvents(client: RawClient, topics: string[]) {
  client.sendPacket({
    cmd: 'subscribe',
    messageId: 60_000,
    subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })),
  })
  const { granted } = await client.nextOf('suback')
  if (granted.some((code) => Number(code) !== 1)) throw new Error(`SUBACK ${granted.join(' ')}`)
  const copies: EventCopy[] = []
  return {
    copies,
    async until(fits: (copies: EventCopy[]) => boolean): Promise<EventCopy[]> {
      while (!fits(copies)) {
        const { topic, payload, messageId } = await client.nextOf('publish')
        copies.push({ topic, ...(JSON.parse(payload.toString()) as Omit<EventCopy, 'topic'>) })
        client.sendPacket({ cmd: 'puback', messageId: messageId as number })
      }
      return copies
    },
  }
}

/** The event log of an app as it stands in Redis, oldest first. */
export async function readEventLog(
  redis: Pick<RedisServer, 'client'>,
  appId = 'demo-app',
): Promise<LifecycleEvent[]> {
  const entries = await redis.client.xrange(`cb:{${appId}}:events`, '-', '+')
  return entries.map(([, fields]) => JSON.parse(fields[1] as string) as LifecycleEvent)
}

/** The process of a Redis that the test started, for signals that it is to outlive. */
export async function processIdOf(redis: RedisServer): Promise<number> {
  const id = /process_id:(\d+)/.exec(await redis.client.info('server'))?.[1]
  if (id === undefined) throw new Error('Redis does not say its process id')
  return Number(id)
}

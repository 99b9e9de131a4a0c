import type { RedisServer } from './redis.js'

/** Telemetry as it stands in Redis, oldest first: `<external user id> <occurredAt>`. */
export async function readTelemetry(redis: RedisServer, appId = 'demo-app'): Promise<string[]> {
  const entries = await redis.client.xrange(`cb:{${appId}}:telemetry`, '-', '+')
  return entries.map(([, fields]) => {
    const { externalUserId, occurredAt } = JSON.parse(fields[1] as string) as {
      externalUserId: string
      occurredAt: string
    }
    return `${externalUserId} ${occurredAt}`
  })
}

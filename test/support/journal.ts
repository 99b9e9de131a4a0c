import type { Broker } from './broker.js'
import type { RedisServer } from './redis.js'

/** Resolves when the store takes writes and the journal is empty. Each reading is an answer of the broker. */
export async function untilReady({ ports }: Broker): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${ports.admin}/readyz`)
    if (((await answer.json()) as { status: string }).status === 'ready') return
  }
}

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

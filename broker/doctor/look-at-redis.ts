import { createLog } from '../../ops/log.js'
import type { Config } from '../config.js'
import { Fault } from './finding.js'
import type { Finding } from './finding.js'

/** Whether Redis answers, and keeps what it acknowledges. */
export async function lookAtRedis(url: string, retention: Config['retention']): Promise<Finding[]> {
  const { openRedisStore } = await import('../../store/redis/redis-store.js')
  const { log } = createLog({ level: 'silent', isTerminal: false })
  const store = await openRedisStore({ url, retention, log }).catch((error: Error) => {
    throw new Fault(`Redis refuses REDIS_URL (${error.message})`)
  })
  try {
    await store.ping().catch((error: Error) => {
      throw new Fault(
        `Redis does not answer (${error.message}): until it does, an SOS goes to the journal of the node`,
      )
    })
    const { isDurable, explanation } = await store.durability()
    return [
      {
        check: 'redis',
        is: isDurable ? 'ok' : isSecondBestAtWorst(explanation) ? 'warning' : 'fault',
        says: explanation,
      },
    ]
  } finally {
    await store.stop()
  }
}

/** A second of the past, as many run it on purpose; and a Redis of a provider that shows no settings. */
function isSecondBestAtWorst(explanation: string): boolean {
  return (
    !explanation.includes('maxmemory-policy') && /within a second|does not say how durable/.test(explanation)
  )
}

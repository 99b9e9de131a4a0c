import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Metrics } from './metrics.js'

export interface Health {
  /** `degraded`: an SOS is taken, but not into the store. Both are for a load balancer to send clients to. */
  status: 'ready' | 'degraded' | 'not-ready'
  /** One line per thing that an operator should know. */
  reasons: string[]
}

/** `/metrics`, `/healthz` and `/readyz`, without login: for the machine itself and its monitoring. */
export function createAdminServer({
  metrics,
  health,
}: {
  metrics: Metrics
  health: () => Promise<Health>
}): Server {
  const json = (value: unknown) => `${JSON.stringify(value)}\n`
  return createServer((request, response) => {
    const answer = (status: number, type: string, body: string) =>
      response.writeHead(status, { 'content-type': type }).end(body)
    const serve = async () => {
      switch (request.url) {
        case '/metrics':
          return answer(200, metrics.registry.contentType, await metrics.registry.metrics())
        case '/healthz':
          return answer(200, 'application/json', json({ status: 'alive' }))
        case '/readyz': {
          const { status, reasons } = await health()
          return answer(status === 'not-ready' ? 503 : 200, 'application/json', json({ status, reasons }))
        }
        default:
          return answer(
            404,
            'application/json',
            json({ error: { code: 'not_found', message: 'no such page' } }),
          )
      }
    }
    serve().catch(() => response.writeHead(500).end())
  })
}

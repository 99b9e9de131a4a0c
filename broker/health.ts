import type { Health } from '../ops/admin.js'

/** What readiness is made of; see Health. */
export interface HealthSources {
  isStopping: () => boolean
  /** Store, journal, and how durable they are. @throws when nothing would be stored. */
  path: () => Promise<Health>
  /** Listeners that should be open and are not. */
  closedListeners: () => string[]
  /** Lateness of the event loop, in milliseconds, and from where on the door lets nobody in. */
  lagMs: () => number
  tooLateMs: number
}

/** Whether a load balancer should send clients here, with one line for each thing that an operator should know. */
export async function readHealth(sources: HealthSources): Promise<Health> {
  const { isStopping, path, closedListeners, lagMs, tooLateMs } = sources
  if (isStopping()) return { status: 'not-ready', reasons: ['the broker is stopping'] }
  const stored = await path().catch((error: Error): Health => ({
    status: 'not-ready',
    reasons: [`the store does not answer (${error.message})`],
  }))
  const reasons = [...stored.reasons]
  const closed = closedListeners()
  if (closed.length > 0) reasons.unshift(`not listening: ${closed.join(', ')}`)
  const lag = Math.round(lagMs())
  const isLate = lag > tooLateMs
  if (isLate) reasons.unshift(`the event loop is ${lag} ms late: new connections are refused`)
  return { status: closed.length > 0 || isLate ? 'not-ready' : stored.status, reasons }
}

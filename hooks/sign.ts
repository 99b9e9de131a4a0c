import { createHmac } from 'node:crypto'

/** What a receiver checks a delivery by. Names and form are those of Standard Webhooks 1.0. */
export interface SignedHeaders {
  'webhook-id': string
  'webhook-timestamp': string
  'webhook-signature': string
}

/**
 * Signs id, time and body with each secret, so that a receiver that knows either takes it while they are replaced.
 * The time is that of this attempt, in seconds since 1970: a receiver refuses what somebody has kept and sends again.
 */
export function signDelivery(secrets: string[], eventId: string, body: string, now: Date): SignedHeaders {
  const timestamp = String(Math.floor(now.getTime() / 1_000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(WEBHOOK_SECRET_PREFIX.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${eventId}.${timestamp}.${body}`).digest('base64')}`
  })
  return {
    'webhook-id': eventId,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}

const WEBHOOK_SECRET_PREFIX = 'whsec_'

import { createHmac, timingSafeEqual } from 'node:crypto'

// `headers` as Node gives them, `body` as it came (Buffer). Throws when it is not from the broker.
export function verifyWebhook(secret, headers, body, now = Date.now()) {
  const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': given = '' } = headers
  if (!(Math.abs(now / 1000 - Number(time)) <= 300)) throw new Error('sent long ago, or a clock is wrong')
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const right = `v1,${createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest('base64')}`
  const isRight = (one) =>
    one.length === right.length && timingSafeEqual(Buffer.from(one), Buffer.from(right))
  if (!given.split(' ').some(isRight)) throw new Error('wrong signature')
  return JSON.parse(body.toString())
}

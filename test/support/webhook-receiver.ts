import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { EventJson } from '../../store/event-json.js'
import { APPS, backendOf } from './api.js'
import { askAgain } from './ask-again.js'
import { root, temporaryDirectory } from './broker.js'
import type { Broker } from './broker.js'

type Verify = (secret: string, headers: IncomingHttpHeaders, body: Buffer, now?: number) => EventJson

/** The verifier that the documentation shows. */
export const { verifyWebhook } = (await import(join(root, 'examples/node-backend/verify-webhook.mjs'))) as {
  verifyWebhook: Verify
}

export interface Delivery {
  event: EventJson
  headers: IncomingHttpHeaders
  body: Buffer
  response: ServerResponse
}

export interface Receiver {
  url: string
  secret: string
  /** What arrived with a right signature, answered or not. */
  deliveries: Delivery[]
  /** Requests that the verifier refused, and why. */
  refused: string[]
  /** The status of the answer; null: none. 200 at first. */
  answer: (delivery: Delivery) => number | null
  /** Resolves once what has arrived fits. */
  until(fits: (deliveries: Delivery[]) => boolean): Promise<void>
  stop(): Promise<void>
  /** Opens the same port again. */
  start(): Promise<void>
}

export const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`

/** A partner's server that takes web hooks, and checks each by the documented verifier. */
export async function startReceiver(t: Test): Promise<Receiver> {
  let server: Server
  let port = 0
  let wake: () => void = () => {}
  const receiver: Receiver = {
    url: '',
    secret: newSecret(),
    deliveries: [],
    refused: [],
    answer: () => 200,
    async until(fits) {
      while (!fits(receiver.deliveries)) await new Promise<void>((resolve) => (wake = resolve))
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
    async start() {
      server = createServer((request, response) => {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('end', () => take(request.headers, Buffer.concat(chunks), response))
      })
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as AddressInfo).port
      receiver.url = `http://127.0.0.1:${port}/hook`
    },
  }

  function take(headers: IncomingHttpHeaders, body: Buffer, response: ServerResponse): void {
    try {
      const delivery = { event: verifyWebhook(receiver.secret, headers, body), headers, body, response }
      receiver.deliveries.push(delivery)
      const status = receiver.answer(delivery)
      if (status !== null) response.writeHead(status).end('an answer that nobody reads')
    } catch (error) {
      receiver.refused.push((error as Error).message)
      response.writeHead(401).end()
    }
    wake()
  }

  await receiver.start()
  t.teardown(() => (server.listening ? receiver.stop() : undefined))
  return receiver
}

/** Of a broker that may call a receiver on this machine, and does not wait long between attempts. */
export const WEBHOOK_ENV = {
  WEBHOOK_NETWORKS: '127.0.0.0/8',
  WEBHOOK_RETRY_MS: '20',
  WEBHOOK_TIMEOUT_MS: '5000',
}

/** An apps file whose first app has these web hooks; `write` replaces them. */
export function createWebhookApps(t: Test, webhooks: object[]) {
  const file = join(temporaryDirectory(t), 'apps.json')
  const write = (hooks: object[]) => {
    writeFileSync(`${file}.new`, JSON.stringify({ apps: [{ ...APPS[0], webhooks: hooks }, APPS[1]] }))
    renameSync(`${file}.new`, file)
  }
  write(webhooks)
  return { file, write }
}

/** As docs/webhooks.md describes it. */
export interface WebhookJson {
  id: string
  target: string
  state: string
  position: string | null
  failure: { at: string; reason: string } | null
  held: { incidentId: string; since: string }[]
  waitingSince: string | null
  deadLetters: number
  gaps: { after: string; before: string }[]
}

/** Asks the backend surface until the first web hook of the app is as it should be; each asking is an answer, not a wait. */
export async function webhookUntil(
  broker: Broker,
  fits: (webhook: WebhookJson) => boolean,
  id = 'desk',
): Promise<WebhookJson> {
  for (;;) {
    const { body } = await backendOf(broker).get('/webhooks')
    const { webhooks } = body as unknown as { webhooks: WebhookJson[] }
    const webhook = webhooks.find((one) => one.id === id)
    if (webhook && fits(webhook)) return webhook
    await askAgain()
  }
}

/** What is wrong with the order in which the events of each incident came first; empty: nothing. */
export function disorderIn(deliveries: Delivery[]): string[] {
  const versions = new Map<string, number>()
  const wrong: string[] = []
  for (const { event } of deliveries) {
    const last = versions.get(event.incidentId) ?? 0
    if (event.version > last + 1) wrong.push(`${event.externalUserId}: ${event.version} after ${last}`)
    versions.set(event.incidentId, Math.max(last, event.version))
  }
  return wrong
}

/** How often each event came. */
export function timesOf(deliveries: Delivery[]): Map<string, number> {
  const times = new Map<string, number>()
  for (const { event } of deliveries) times.set(event.eventId, (times.get(event.eventId) ?? 0) + 1)
  return times
}

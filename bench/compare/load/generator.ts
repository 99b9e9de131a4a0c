// A program of its own, so that it can have a core of its own. See order.ts for what it reads and writes.
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { openClient } from './client.js'
import type { LoadClient } from './client.js'
import { createMeasuring } from './measuring.js'
import type { Measuring } from './measuring.js'
import type { Order, Report } from './order.js'
import { FIRST_NUMBER, prepareSos, prepareTelemetry } from './packets.js'
import { watchStream } from './watch-stream.js'

const input = createInterface({ input: process.stdin })
input.once('close', () => process.exit(0))
const lines = input[Symbol.asyncIterator]()

async function run(order: Order): Promise<void> {
  const measuring = createMeasuring(order.identities.length)
  const clients = await connectAll(order, measuring)
  if (order.watch) await watchStream(order.watch, measuring.sawStored)
  await lines.next()
  if (order.loop === 'hold' || order.loop === 'return') return
  measuring.isOver = false
  const sending =
    order.loop === 'closed' ? fillWindows(order, clients) : sendAtRate(order, clients, measuring)
  await pause(order.warmUpMs)
  say({ at: 'window' })
  measuring.begin()
  await pause(order.measuredMs)
  measuring.end()
  say({ at: 'end' })
  measuring.isOver = true
  await sending
  const limit = performance.now() + DRAIN_LIMIT_MS
  while (clients.some(({ inFlight }) => inFlight > 0) && performance.now() < limit) await pause(5)
  if (order.isSubscriber) await pause(LAST_EVENTS_MS)
  say({
    at: 'result',
    ...measuring.result(),
    refused: clients.reduce((sum, { refused }) => sum + refused, 0),
    acknowledgedOf: clients.map(({ acknowledged }) => acknowledged),
  })
}

/** @throws when nobody gets in. */
async function connectAll(order: Order, measuring: Measuring): Promise<LoadClient[]> {
  const { identities } = order
  const clients: LoadClient[] = []
  const began = performance.now()
  let up = 0
  let failed = 0
  let started = 0
  await new Promise<void>((resolve) => {
    const startNext = () => {
      while (started < identities.length && started - up - failed < CONNECTS_AT_ONCE) start(started++)
      if (up + failed === identities.length) resolve()
    }
    const start = (i: number, isReturning = false) => {
      let isUp = false
      clients[i] = openClient(optionsOf(order, i), {
        onUp() {
          isUp = true
          up++
          if (isReturning) {
            if (up === identities.length) say({ at: 'back' })
          } else startNext()
        },
        onClose() {
          if (isUp) {
            up--
            measuring.lose()
          } else if (!isReturning) {
            failed++
            startNext()
          }
          // As the SDK: fixed, for ever.
          if (order.loop === 'return') setTimeout(() => start(i, true), RETURN_MS)
        },
        onAnswer(packetId) {
          measuring.answer(i, packetId)
          if (order.loop === 'closed' && !measuring.isOver) sendNext(clients[i] as LoadClient, order.what)
        },
        onEvent: (payload) => measuring.event(payload),
      })
    }
    startNext()
  })
  say({ at: 'up', seconds: (performance.now() - began) / 1_000, connected: up, failed })
  return clients
}

function optionsOf(
  { what, transport, version, ports, identities, isSubscriber, run: name }: Order,
  i: number,
) {
  const identity = identities[i]!
  const publish =
    what === 'sos'
      ? prepareSos(identity.sosTopic, version)
      : prepareTelemetry(identity.telemetryTopic, name, version)
  return { identity, transport, port: ports[i % ports.length]!, version, isSubscriber, publish }
}

function sendNext(client: LoadClient, what: Order['what']): string {
  const mark = what === 'sos' ? nextTime() : String(FIRST_NUMBER + client.sent)
  client.publish(mark)
  return mark
}

/** No two SOS of a run have the same time: the same time twice is one report. */
let lastTime = Date.now()
function nextTime(): string {
  return new Date(++lastTime).toISOString()
}

async function fillWindows({ window, what }: Order, clients: LoadClient[]): Promise<void> {
  for (let n = 0; n < window; n++) for (const client of clients) sendNext(client, what)
}

/** Open loop: each message has its time, and what is late is sent at once. */
async function sendAtRate({ rate, what }: Order, clients: LoadClient[], measuring: Measuring): Promise<void> {
  const began = performance.now()
  // oxlint-disable-next-line no-unmodified-loop-condition -- whoever measures ends it
  for (let sent = 0; !measuring.isOver;) {
    const now = performance.now()
    for (; began + (sent / rate) * 1_000 <= now; sent++) {
      const i = sent % clients.length
      const due = began + (sent / rate) * 1_000
      measuring.late(now - due)
      const client = clients[i] as LoadClient
      measuring.sending(i, due, sendNext(client, what))
    }
    await pause(1)
  }
}

function say(report: Report): void {
  process.stdout.write(`${JSON.stringify(report)}\n`)
}

/** More at once only wait in the kernel. */
const CONNECTS_AT_ONCE = 200
const RETURN_MS = 2_000
const DRAIN_LIMIT_MS = 10_000
const LAST_EVENTS_MS = 300

await run(JSON.parse((await lines.next()).value as string) as Order)

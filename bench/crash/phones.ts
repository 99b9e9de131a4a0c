import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { createUser, signUser } from '../../auth/identity.js'
import type { Chance } from './chance.js'
import { createEventReader } from './event-reader.js'
import type { Ledger, MessageKind, Publication } from './ledger.js'
import type { Load } from './load.js'
import { openMqttSession, SERVER_SHUTTING_DOWN, SERVER_UNAVAILABLE } from '../support/mqtt-session.js'

export interface PhonesOptions {
  count: number
  app: { appId: string; secret: string }
  ports: { mqtt: number; http: number }
  ledger: Ledger
  load: Load
  chance: Chance
}

/**
 * Phones that publish without end, several messages at a time, and come back whenever the broker is gone. Every
 * tenth speaks HTTP, the others MQTT 3.1.1 and 5.0 in turn. Every fourth sends its last SOS again when it comes
 * back, as many MQTT libraries do; the SDK never does. Now and then each ends its incident.
 */
export function startPhones(options: PhonesOptions): { stop(): Promise<void> } {
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)
  const running = Array.from({ length: options.count }, (_, i) =>
    i % 10 === 9 ? runHttpPhone(options, i, stopping.signal) : runMqttPhone(options, i, stopping.signal),
  )
  return {
    async stop() {
      stopping.abort()
      options.load.resume() // who waits for his turn hears of the end
      await Promise.all(running)
    },
  }
}

async function runMqttPhone(options: PhonesOptions, i: number, stopping: AbortSignal): Promise<void> {
  const { app, ports, ledger, load, chance } = options
  const { user, externalUserId, password } = identityOf(options, i)
  const doesResend = i % 4 === 3
  /** What is sent again: SOS without an answer, and the latest that have one. */
  const toSendAgain: Publication[] = []
  const version = i % 2 === 0 ? 5 : 4

  while (!stopping.aborted) {
    const session = await openMqttSession({
      port: ports.mqtt,
      version,
      username: `sdk:${app.appId}:${externalUserId}`,
      password,
      topicFilters: [`sos/events/${user.userId}`, `sos/events/${externalUserId}`],
      onEvent: createEventReader(ledger),
    }).catch(() => null)
    if (!session) {
      await pause(RECONNECT_MS)
      continue
    }
    const leave = () => session.destroy()
    stopping.addEventListener('abort', leave, { once: true })
    const send = async (publication: Publication, isDuplicate = false) => {
      publication.sentAt = performance.now()
      if (doesResend && publication.kind === 'sos' && !isDuplicate) toSendAgain.push(publication)
      const topic = publication.kind === 'sos' ? 'sos/alerts' : 'tel/data'
      const outcome = await session.publish(topic, payloadOf(publication), isDuplicate)
      if (outcome === 'not answered') return
      if (outcome === 'acknowledged') ledger.acknowledge(publication)
      else ledger.noteProblem(`${publication.kind} ${publication.n} was refused`)
    }
    const answered = toSendAgain.filter(({ isAcknowledged }) => isAcknowledged)
    for (const old of answered.slice(0, -IN_FLIGHT)) toSendAgain.splice(toSendAgain.indexOf(old), 1)
    const again = toSendAgain.map((publication) => load.run(() => send(publication, true)))
    const slots = Array.from({ length: IN_FLIGHT }, async (_, slot) => {
      while (session.isOpen && !stopping.aborted) {
        await load.run(() => send(ledger.write(kindOf(chance), user, !doesResend)))
        if (slot === 0 && chance.percent(CLOSE_PERCENT)) await load.run(() => closeIncident(options, i))
        await pause(chance.whole(0, THINK_MS_MAX))
      }
    })
    const reason = await session.ended
    stopping.removeEventListener('abort', leave)
    await Promise.all([...slots, ...again])
    if (reason !== undefined && reason !== SERVER_UNAVAILABLE && reason !== SERVER_SHUTTING_DOWN)
      ledger.noteProblem(`a connection ended with reason ${reason}`)
    await pause(RECONNECT_MS)
  }
}

async function runHttpPhone(options: PhonesOptions, i: number, stopping: AbortSignal): Promise<void> {
  const { ledger, load, chance } = options
  const { user } = identityOf(options, i)
  const slots = Array.from({ length: IN_FLIGHT }, async (_, slot) => {
    while (!stopping.aborted) {
      const isAnswered = await load.run(async () => {
        const publication = ledger.write(kindOf(chance), user, false)
        const answer = await post(options, i, `/v1/sdk/${publication.kind}`, payloadOf(publication))
        if (answer?.status === 200) ledger.acknowledge(publication)
        else if (answer && answer.status !== 503)
          ledger.noteProblem(`${publication.kind} ${publication.n} was answered ${answer.status}`)
        return answer !== null
      })
      if (slot === 0 && chance.percent(CLOSE_PERCENT)) await load.run(() => closeIncident(options, i))
      await pause(isAnswered ? chance.whole(0, THINK_MS_MAX) : RECONNECT_MS)
    }
  })
  await Promise.all(slots)
}

/** What a user does when help is no longer needed. */
async function closeIncident(options: PhonesOptions, i: number): Promise<void> {
  const verb = options.chance.percent(50) ? 'resolve' : 'cancel'
  const answer = await post(options, i, `/v1/sdk/sos/${verb}`, '')
  if (answer?.status !== 200) return
  const { incident } = JSON.parse(answer.text) as { incident: { id: string } | null }
  if (incident) options.ledger.noteClosed(incident.id)
}

/** null when there was no whole answer. */
async function post(
  options: PhonesOptions,
  i: number,
  path: string,
  body: string,
): Promise<{ status: number; text: string } | null> {
  const { externalUserId, password } = identityOf(options, i)
  try {
    const response = await fetch(`http://127.0.0.1:${options.ports.http}${path}`, {
      method: 'POST',
      body,
      headers: {
        'X-App-ID': options.app.appId,
        'X-User-ID': externalUserId,
        Authorization: `Bearer ${password}`,
        'Content-Type': 'application/json',
      },
    })
    return { status: response.status, text: await response.text() }
  } catch {
    return null
  }
}

function identityOf({ app }: PhonesOptions, i: number) {
  const externalUserId = `user-${i}`
  return {
    externalUserId,
    user: createUser({ appId: app.appId, externalUserId }),
    password: signUser(app.secret, externalUserId),
  }
}

function kindOf(chance: Chance): MessageKind {
  return chance.percent(50) ? 'sos' : 'telemetry'
}

function payloadOf({ n, timestamp }: Publication): string {
  return JSON.stringify({ timestamp, latitude: 41 + (n % 1_000) / 1_000, longitude: 2.2, altitude: 0, n })
}

/** Publications of one phone under way at a time. */
const IN_FLIGHT = 4
/** Between an acknowledgement and the next publication; forty phones then make some 1,300 messages a second. */
const THINK_MS_MAX = 240
const RECONNECT_MS = 100
/** How often a user ends his incident, in a hundred publications of his first slot. */
const CLOSE_PERCENT = 8

// Phones and a partner's server for scripts/container.mjs: MQTT.js over wss, and HTTPS, both checking the certificate.
import { createHmac, randomUUID } from 'node:crypto'
import { get } from 'node:https'
import mqtt from 'mqtt'

/** A target is { port, ca, appId, secret }: one broker and one app of it. */

export const sign = (secret, externalUserId) =>
  createHmac('sha256', secret).update(externalUserId).digest('hex')

let moment = Date.now()

/** Each with a time of its own, which is how it is found again. */
export const report = () => ({ timestamp: new Date(moment++).toISOString(), latitude: 41.4, longitude: 2.2 })

export async function openPhone({ port, ca, appId, secret }, externalUserId) {
  const client = await mqtt.connectAsync(`wss://localhost:${port}/mqtt`, {
    protocolVersion: 5,
    clientId: randomUUID(),
    username: `sdk:${appId}:${externalUserId}`,
    password: sign(secret, externalUserId),
    reconnectPeriod: 0,
    wsOptions: { ca, family: 4 },
  })
  client.on('error', () => {}) // what it means is seen by who waits for an answer
  return {
    publish: (sos) => client.publishAsync('sos/alerts', JSON.stringify(sos), { qos: 1 }),
    closed: new Promise((resolve) => client.once('close', resolve)),
    end: () => client.endAsync(true),
  }
}

/** Phones publish one SOS after the other until their connection ends; `onFlowing` is called when each has had answers. */
export async function acknowledgedUntilTheEnd(target, phones, onFlowing) {
  const all = await Promise.all(Array.from({ length: phones }, (_, n) => openPhone(target, `phone-${n}`)))
  const acknowledged = []
  let published = 0
  let signalled = false
  let afterSignal = 0
  const publishOn = async (phone) => {
    for (let isOpen = true; isOpen;) {
      const sos = report()
      published++
      const isAcknowledged = phone.publish(sos).then(
        () => true,
        () => false,
      )
      isOpen = await Promise.race([isAcknowledged, phone.closed.then(() => false)])
      if (!isOpen) break
      acknowledged.push(sos.timestamp)
      if (signalled) afterSignal++
      if (!signalled && acknowledged.length >= phones * ANSWERS_FIRST) {
        signalled = true
        onFlowing()
      }
    }
    await phone.end()
  }
  await Promise.all(all.map(publishOn))
  return { acknowledged, afterSignal, unanswered: published - acknowledged.length }
}

const ANSWERS_FIRST = 10

/** The app's whole event log. */
export async function readEvents(target) {
  const events = []
  for (let after = '0'; ;) {
    const page = await ask(target, `/v1/backend/events?limit=500&after=${after}`)
    events.push(...page.events)
    if (page.events.length < 500) return events
    after = page.next
  }
}

/** GET as a user, or without one as the app's own server; the JSON of a 200. */
export function ask({ port, ca, appId, secret }, path, externalUserId) {
  const headers =
    externalUserId === undefined
      ? { authorization: `Basic ${Buffer.from(`${appId}:${secret}`).toString('base64')}` }
      : {
          'x-app-id': appId,
          'x-user-id': externalUserId,
          authorization: `Bearer ${sign(secret, externalUserId)}`,
        }
  return new Promise((resolve, reject) => {
    const options = { host: 'localhost', family: 4, port, path, ca, headers, agent: false }
    get(options, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      if (response.statusCode === 200) resolve(JSON.parse(text))
      else reject(new Error(`GET ${path}: ${response.statusCode} ${text}`))
    }).on('error', reject)
  })
}

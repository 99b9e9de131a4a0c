import type { Packet } from 'mqtt-packet'
import t from 'tap'
import type { Test } from 'tap'
import { createUser } from '../../auth/identity.js'
import { backendOf, sdkOf, sosReport, startNodes } from '../support/api.js'
import type { WireEvent } from '../support/api.js'
import type { Broker, Credentials } from '../support/broker.js'
import { logIn } from '../support/raw-client.js'

const NOT_AUTHORIZED = 0x87
/** Refused telemetry counts like any other, and here is more of it than a phone sends. */
const UNPACED = { TELEMETRY_RATE: '100000', TELEMETRY_BURST: '100000' }

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(
    `contract 4: a topic means the own user or is refused, whoever else it names; ${setup}`,
    async (t) => {
      const [one, two] = await startNodes(t, setup, UNPACED)
      const logins = people(one)
      for (const login of logins) {
        await t.test(`${login.appId} ${login.externalUserId}`, async (t) => {
          const client = await logIn(t, two.ports.mqtt, login, { protocolVersion: 5 })
          const own = new Set(formsOf(login))
          const foreign = [...new Set(logins.flatMap(spellingsOf))].filter(
            (form) => !own.has(form) && !spellingsOf(login).includes(form),
          )
          t.ok(foreign.length >= 3)
          let messageId = 1
          for (const form of [...foreign, ...own]) {
            const isOwn = own.has(form)
            const filters = isOwn ? [`sos/events/${form}`] : filtersNaming(form)
            client.sendPacket({
              cmd: 'subscribe',
              messageId: messageId++,
              subscriptions: filters.map((topic) => ({ topic, qos: 1 })),
            })
            const { granted } = await client.nextOf('suback')
            for (const [i, topic] of filters.entries())
              t.equal(Number(granted[i]) < 0x80, isOwn, `SUBSCRIBE ${topic}: ${String(granted[i])}`)
            if (isOwn) continue
            for (const topic of topicsNaming(form)) {
              const payload = JSON.stringify(sosReport({ message: 'stolen' }))
              client.sendPacket({
                cmd: 'publish',
                topic,
                payload,
                qos: 1,
                dup: false,
                retain: false,
                messageId: messageId++,
              })
              t.equal((await client.nextOf('puback')).reasonCode, NOT_AUTHORIZED, `PUBLISH ${topic}`)
            }
          }
        })
      }
      for (const appId of ['app-a', 'app-b'])
        t.same(
          (await backendOf(one, appId).get('/incidents?state=all')).body.incidents,
          [],
          'nothing was raised',
        )
    },
  )

  t.test(`contract 4: under every own topic one hears of oneself alone; ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    const listeners = await Promise.all(people(one).map((login, i) => listen(t, i % 2 ? one : two, login)))
    for (const { login, publish } of listeners) {
      const message = `of ${login.appId} ${login.externalUserId}`
      for (const topic of topicsOf(login)) t.equal(await publish(topic, { message }), 0, `PUBLISH ${topic}`)
      // Whoever else is named, it is the sender's.
      for (const other of people(one))
        t.equal(await publish('sos/alerts', { message, userId: createUser(other).userId }), 0)
    }
    const count = people(one).length
    for (const { login, events, readUntil } of listeners) {
      const wanted = (topicsOf(login).length + count) * formsOf(login).length
      await readUntil(() => events.length >= wanted)
      const { userId } = createUser(login)
      const incident = (await sdkOf(two, login).get('/sos')).body.incident
      t.equal(incident?.message, `of ${login.appId} ${login.externalUserId}`)
      const named = new Set(events.map((event) => `${event.appId} ${event.incidentId}`))
      t.same([...named], [`${login.appId} ${incident?.id}`], 'every event is of the own incident')
      t.ok(events.every((event) => [userId, login.externalUserId].includes(event.userId)))
      const seen = (await backendOf(one, login.appId).get(`/incidents/${incident?.id}`)).body.incident
      t.match(seen, { reports: topicsOf(login).length + count, relayedBy: [], user: { userId } })
    }
    // One more each: had anything of another user been under way, it would stand before it.
    for (const { publish } of listeners) await publish('sos/alerts', { message: 'last' })
    for (const { login, events, readUntil } of listeners) {
      const before = (topicsOf(login).length + count) * formsOf(login).length
      await readUntil(() => events.length >= before + 2)
      const incident = (await sdkOf(one, login).get('/sos')).body.incident
      t.same([...new Set(events.map(({ incidentId }) => incidentId))], [incident?.id])
      t.equal(events.length, before + 2)
    }
  })
}

function people(broker: Broker): Credentials[] {
  const uuidOf = (appId: string) => createUser({ appId, externalUserId: 'p/42' }).userId
  return [
    broker.credentials('p/42', 'app-a'),
    broker.credentials('p/42', 'app-b'),
    broker.credentials(uuidOf('app-b'), 'app-a'),
    broker.credentials(uuidOf('app-a'), 'app-b'),
    broker.credentials(uuidOf('app-a'), 'app-a'),
  ]
}

/** The two forms in which a topic may name a user. */
function formsOf(login: Credentials): string[] {
  return [createUser(login).userId, encodeURIComponent(login.externalUserId)]
}

/** And every other way in which somebody might try to write them. */
function spellingsOf(login: Credentials): string[] {
  const [uuid = '', encoded = ''] = formsOf(login)
  const everyByte = [...Buffer.from(login.externalUserId)]
    .map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
    .join('')
  return [
    uuid,
    encoded,
    uuid.toUpperCase(),
    uuid.replaceAll('-', ''),
    encoded.toLowerCase(),
    everyByte,
    encodeURIComponent(encoded),
    login.externalUserId,
    `${login.appId}:${encoded}`,
    `sdk:${login.appId}:${encoded}`,
  ]
}

/** Every filter that would let its subscriber hear or overhear the user. */
function filtersNaming(form: string): string[] {
  const plain = [`sos/events/${form}`, `sos/alerts/${form}`, `tel/${form}/data`]
  return [
    ...plain,
    ...plain.map((topic) => `$share/g/${topic}`),
    ...plain.map((topic) => `/${topic}`),
    ...plain.map((topic) => `${topic}/`),
    ...plain.map((topic) => `${topic}/#`),
    ...plain.map((topic) => `${topic}/+`),
    `sos/+/${form}`,
    `+/events/${form}`,
    `+/+/${form}`,
    `tel/${form}/+`,
    `SOS/EVENTS/${form}`,
    `sos//events/${form}`,
    `sos/events//${form}`,
    'sos/events/+',
    'sos/events/#',
    'sos/#',
    'tel/+/data',
    '+/#',
    '#',
    '$SYS/#',
    '$share/g/#',
  ]
}

/** Every topic that would speak in the user's name. */
function topicsNaming(form: string): string[] {
  const plain = [`sos/alerts/${form}`, `tel/${form}/data`, `sos/events/${form}`]
  return [
    ...plain,
    ...plain.map((topic) => `/${topic}`),
    ...plain.map((topic) => `${topic}/`),
    `$share/g/sos/alerts/${form}`,
    `SOS/alerts/${form}`,
    `sos//alerts/${form}`,
    `tel/${form}`,
  ]
}

function topicsOf(login: Credentials): string[] {
  return ['sos/alerts', ...formsOf(login).map((form) => `sos/alerts/${form}`)]
}

/** A session that has subscribed both own forms. */
async function listen(t: Test, broker: Broker, login: Credentials) {
  const client = await logIn(t, broker.ports.mqtt, login, { protocolVersion: 5 })
  for (const [i, form] of formsOf(login).entries()) {
    const subscriptions = [{ topic: `sos/events/${form}`, qos: 1 as const }]
    client.sendPacket({ cmd: 'subscribe', messageId: 1 + i, subscriptions })
    t.same((await client.nextOf('suback')).granted, [1])
  }
  const events: WireEvent[] = []
  let messageId = 100
  /** Takes events, and acknowledges them, until they or another packet are what is waited for. */
  async function readUntil(isDone: (packet: Packet | null) => boolean): Promise<Packet | null> {
    for (let packet: Packet | null = null; ; packet = await client.next()) {
      if (packet?.cmd === 'publish') {
        events.push(JSON.parse(packet.payload.toString()) as WireEvent)
        client.sendPacket({ cmd: 'puback', messageId: packet.messageId ?? 0 })
      }
      if (isDone(packet)) return packet
    }
  }
  /** Publishes an SOS and returns the reason code of its PUBACK. */
  async function publish(topic: string, fields: object): Promise<number> {
    const payload = JSON.stringify(sosReport(fields))
    client.sendPacket({
      cmd: 'publish',
      topic,
      payload,
      qos: 1,
      dup: false,
      retain: false,
      messageId: ++messageId,
    })
    const puback = await readUntil((packet) => packet?.cmd === 'puback')
    return puback?.cmd === 'puback' ? (puback.reasonCode ?? 0) : -1
  }
  return { login, events, readUntil, publish }
}

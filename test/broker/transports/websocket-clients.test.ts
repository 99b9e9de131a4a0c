import { readFileSync } from 'node:fs'
import mqtt from 'mqtt'
import t from 'tap'
import { startBroker } from '../../support/broker.js'
import { sosPayload, timestampOf } from '../../support/publishing.js'
import { user } from '../../support/stores.js'

const broker = await startBroker(t)

for (const [scheme, path, protocolVersion] of [
  ['ws', '/mqtt', 5],
  ['ws', '/ws', 4],
  ['wss', '/mqtt', 4],
  ['wss', '/ws', 5],
  ['wss', '/mqtt?app=demo', 5],
] as const) {
  t.test(
    `contract 3: MQTT.js ${protocolVersion} over ${scheme} on ${path} gets PUBACK and its events`,
    async (t) => {
      const name = `${scheme}${path}`
      const { username, password } = broker.credentials(name)
      const port = scheme === 'wss' ? broker.ports.https : broker.ports.http
      const client = await mqtt.connectAsync(`${scheme}://127.0.0.1:${port}${path}`, {
        username,
        password,
        protocolVersion,
        reconnectPeriod: 0,
        ...(scheme === 'wss' ? { ca: readFileSync(broker.caFile) } : {}),
      })
      t.teardown(() => client.endAsync(true))
      const topics = [`sos/events/${user(name).userId}`, `sos/events/${encodeURIComponent(name)}`]
      const received: [string, Record<string, unknown>][] = []
      const both = new Promise<void>((resolve) =>
        client.on('message', (topic, payload) => {
          received.push([topic, JSON.parse(payload.toString()) as Record<string, unknown>])
          if (received.length === 2) resolve()
        }),
      )
      await client.subscribeAsync(topics, { qos: 1 })
      await client.publishAsync('sos/alerts', sosPayload(1), { qos: 1 })
      await client.publishAsync('tel/data', sosPayload(1), { qos: 1 })
      await both
      t.match(
        received.map(([topic, { type, userId, occurredAt }]) => [topic, type, userId, occurredAt]),
        [
          [topics[0], 'processed', user(name).userId, timestampOf(1)],
          [topics[1], 'processed', name, timestampOf(1)],
        ],
      )
    },
  )
}

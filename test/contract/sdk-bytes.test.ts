import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { startBroker } from '../support/broker.js'
import { connectRaw } from '../support/raw-client.js'
import { encodeAsDart } from '../support/phone.js'

const broker = await startBroker(t)
const { apps } = JSON.parse(readFileSync(join(broker.dataDir, 'apps.json'), 'utf8')) as {
  apps: [{ secrets: [string] }]
}
const secret = apps[0].secrets[0]

const uint16 = (value: number) => Buffer.from([value >> 8, value & 0xff])
const field = (text: string) => Buffer.concat([uint16(Buffer.byteLength(text)), Buffer.from(text)])

function packet(first: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = body.length < 128 ? [body.length] : [(body.length % 128) | 0x80, body.length >> 7]
  return Buffer.concat([Buffer.from([first, ...length]), body])
}

/** CONNECT of the Dart client: MQTT 5, clean start, username and password, keep alive 30, no properties. */
function connectOf(externalUserId: string): Buffer {
  const clientId = `eixam_demo-app_${externalUserId}`.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64)
  const userHash = createHmac('sha256', secret).update(externalUserId).digest('hex')
  const header = Buffer.concat([field('MQTT'), Buffer.from([5, 0xc2, 0, 30, 0])])
  return packet(0x10, header, field(clientId), field(`sdk:demo-app:${externalUserId}`), field(userHash))
}

const subscribe = (packetId: number, topicFilter: string) =>
  packet(0x82, uint16(packetId), Buffer.from([0]), field(topicFilter), Buffer.from([0x09]))
const publish = (packetId: number, topicName: string, payload: Buffer) =>
  packet(0x32, field(topicName), uint16(packetId), Buffer.from([0]), payload)
/** Each UTF-16 unit up to 255 is one byte, each larger one two bytes little-endian. */
const encodePayloadAsDart = (text: string) =>
  Buffer.concat(
    Array.from({ length: text.length }, (_, i) => {
      const unit = text.charCodeAt(i)
      return Buffer.from(unit > 255 ? [unit & 0xff, unit >> 8] : [unit])
    }),
  )

const USERS = [
  'user-7',
  'partner/user 42',
  'a:b:c',
  'Zoë 日本 😀',
  'someone-with-a-very-long-external-id@a-very-long-domain.example.com',
]

for (const externalUserId of USERS) {
  t.test(
    `contract 3: the bytes the Dart client sends for ${externalUserId} do what it expects`,
    async (t) => {
      const client = await connectRaw(t, broker.ports.mqtt, 5)
      const user = createUser({ appId: 'demo-app', externalUserId })
      const uuidTopic = `sos/events/${user.userId}`
      const externalTopic = `sos/events/${encodeAsDart(externalUserId)}`

      client.send(connectOf(externalUserId))
      const connack = await client.next()
      t.match(connack, { cmd: 'connack', reasonCode: 0, sessionPresent: false })
      client.send(subscribe(1, uuidTopic))
      t.match(await client.next(), { cmd: 'suback', messageId: 1, granted: [1] })
      client.send(subscribe(2, externalTopic))
      t.match(await client.next(), { cmd: 'suback', messageId: 2, granted: [1] })

      const g1 = `{"timestamp":"2026-05-01T10:00:00.123Z","latitude":41.4,"longitude":2.2,"altitude":0.0,"userId":"${externalUserId}","deviceId":"CF:82:00:00:00:01"}`
      const g2 = `{"timestamp":"2026-05-01T10:00:05.123456Z","deviceId":"305419896","hardwareId":"CF:82:00:00:00:01","identitySource":"ble_node","nodeId":305419896,"originatorNodeId":305419896,"source":"button_ui","triggerSource":"own_device","owner":"app","deviceBattery":{"rawValue":3,"range":"ok"},"mobileCoverage":{"signalStrength":4,"networkType":"5g","isConnected":true},"mobileBattery":81}`
      const incidents = new Set<unknown>()
      for (const [packetId, topicName, payload, occurredAt] of [
        [3, 'sos/alerts', g1, '2026-05-01T10:00:00.123Z'],
        [4, `sos/alerts/${user.userId}`, g2, '2026-05-01T10:00:05.123456Z'],
      ] as const) {
        client.send(publish(packetId, topicName, encodePayloadAsDart(payload)))
        const packets = [await client.next(), await client.next(), await client.next()]
        t.match(
          packets.filter(({ cmd }) => cmd === 'puback'),
          [{ messageId: packetId, reasonCode: 0 }],
        )
        for (const [topic, id] of [
          [uuidTopic, user.userId],
          [externalTopic, externalUserId],
        ]) {
          const found = packets.find((candidate) => candidate.cmd === 'publish' && candidate.topic === topic)
          if (found?.cmd !== 'publish') throw new Error(`no event on ${topic}`)
          t.match(found, { qos: 1, retain: false, dup: false })
          const event = JSON.parse(found.payload.toString()) as Record<string, unknown>
          t.match(event, { type: 'processed', userId: id, occurredAt })
          incidents.add(event.incidentId)
          // mqtt5_client writes PUBACK with its reason code and an empty property list.
          client.send(packet(0x40, uint16(found.messageId ?? 0), Buffer.from([0, 0])))
        }
      }
      t.equal(incidents.size, 1, 'one emergency')

      for (const topicName of [`tel/${encodeAsDart(externalUserId)}/data`, `tel/${user.userId}/data`]) {
        const payload =
          '{"timestamp":"2026-05-01T10:01:00.000Z","latitude":41.4,"longitude":2.2,"altitude":12.5}'
        client.send(publish(5, topicName, Buffer.from(payload)))
        t.match(await client.next(), { cmd: 'puback', messageId: 5, reasonCode: 0 })
      }
      client.send('c000')
      t.match(await client.next(), { cmd: 'pingresp' })
      client.send('e000')
      t.same(await client.untilClosed(), [])
    },
  )
}

t.test(
  'contract 2: the client identifier is cut to 64 characters, so two long ids share one and both stay',
  async (t) => {
    const long = 'x'.repeat(80)
    const clients = []
    for (const externalUserId of [`${long}1`, `${long}2`]) {
      const client = await connectRaw(t, broker.ports.mqtt, 5)
      client.send(connectOf(externalUserId))
      t.match(await client.next(), { cmd: 'connack', reasonCode: 0 })
      clients.push(client)
    }
    for (const client of clients) {
      client.send(publish(1, 'sos/alerts', Buffer.from('{"timestamp":"2026-05-01T10:00:00.123Z"}')))
      t.match(await client.next(), { cmd: 'puback', messageId: 1, reasonCode: 0 })
    }
  },
)

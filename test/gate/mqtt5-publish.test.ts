import t from 'tap'
import type { IPubackPacket } from 'mqtt-packet'
import { startBroker } from '../support/broker.js'
import { tell } from '../support/byte-table.js'
import { field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'
import { logIn } from '../support/raw-client.js'
import { sosReport, timeOf } from '../support/reports.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const publish = (id: number, topic: string, payload: string | Buffer, block = properties()) =>
  packet(0x32, field(topic), uint16(id), block, Buffer.from(payload))

const REFUSALS: [what: string, topic: string, payload: string, code: number, text: RegExp][] = [
  ['a foreign topic', 'sos/alerts/somebody', '{}', 0x87, /topic/],
  ['the telemetry topic of somebody', 'tel/somebody/data', '{}', 0x87, /topic/],
  ['an events topic', 'sos/events/u', '{}', 0x87, /topic/],
  ['unreadable telemetry', 'tel/data', 'no json', 0x99, /JSON/],
  ['empty telemetry', 'tel/data', '', 0x99, /JSON/],
  ['telemetry that names another user', 'tel/data', '{"userId":"somebody"}', 0x99, /another user/],
  ['telemetry off the globe', 'tel/data', '{"latitude":91,"longitude":0}', 0x99, /position/],
]

await t.test('design 4: PUBACK tells a 5.0 client why, and the session lives on', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), { protocolVersion: 5 })
  for (const [i, [what, topic, payload, code, text]] of REFUSALS.entries()) {
    client.send(publish(i + 1, topic, payload))
    const puback = await client.nextOf('puback')
    t.match(puback, { messageId: i + 1, reasonCode: code, properties: { reasonString: text } }, what)
  }
  client.send(publish(99, 'sos/alerts/u', sosReport()))
  t.equal(tell(await client.next(), 5), 'PUBACK 99')
})

await t.test(
  '[MQTT-3.1.2-29] no reason string in PUBACK when Request Problem Information is 0',
  async (t) => {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), {
      protocolVersion: 5,
      properties: { requestProblemInformation: false },
    })
    for (const [i, [what, topic, payload, code]] of REFUSALS.entries()) {
      client.send(publish(i + 1, topic, payload))
      const puback: IPubackPacket = await client.nextOf('puback')
      t.match(puback, { messageId: i + 1, reasonCode: code }, what)
      t.equal(puback.properties?.reasonString, undefined, what)
    }
  },
)

await t.test('Request Problem Information 1 is the same as none', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), {
    protocolVersion: 5,
    properties: { requestProblemInformation: true },
  })
  client.send(publish(1, 'tel/data', 'no json'))
  t.match(await client.nextOf('puback'), { reasonCode: 0x99, properties: { reasonString: /JSON/ } })
})

await t.test('an accepted PUBLISH gets the PUBACK of two bytes', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), { protocolVersion: 5 })
  const before = client.received().length
  client.send(publish(0x1234, 'tel/data', '{}'))
  await client.nextOf('puback')
  t.strictSame(client.received().subarray(before), hex('40 02 1234'))
})

await t.test('a refused PUBLISH of QoS 0 gets no answer and the session lives on', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('u'), { protocolVersion: 5 })
  for (const [, topic, payload] of REFUSALS)
    client.send(packet(0x30, field(topic), properties(), Buffer.from(payload)))
  client.send(publish(7, 'tel/data', '{}'))
  t.equal(tell(await client.next(), 5), 'PUBACK 7')
})

await t.test(
  'contract 3: Latin-1 in an SOS is taken whatever its Payload Format Indicator says',
  async (t) => {
    const user = broker.credentials('latin')
    const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
    client.sendPacket({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: 'sos/events/latin', qos: 0 }],
    })
    await client.nextOf('suback')
    const block = properties(hex('01 01'), hex('02 00000001'), hex('26'), field('k'), field('v'))
    client.send(
      publish(2, 'sos/alerts', Buffer.from(sosReport(5, { message: 'señal' }).toString(), 'latin1'), block),
    )
    const seen = [await client.next(), await client.next()]
    t.strictSame(seen.map((one) => tell(one, 5)).toSorted(), ['PUBACK 2', 'PUBLISH'])
    const event = seen.find((one) => one.cmd === 'publish')
    t.match(JSON.parse(String(event?.payload)), { type: 'processed', occurredAt: timeOf(5) })
  },
)

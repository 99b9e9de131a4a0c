import t from 'tap'
import { startBroker } from '../support/broker.js'
import { tell } from '../support/byte-table.js'
import { connect, field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { sosReport } from '../support/reports.js'

// What comes too fast would be read slowly, the 1,001st QoS 2 handshake too.
const broker = await startBroker(t, {
  env: { LOG_LEVEL: 'debug', TELEMETRY_RATE: '100000', TELEMETRY_BURST: '100000' },
})
const user = broker.credentials('u')
const none = properties()
const publish = (first: number, id: number, topic = 'sos/alerts') =>
  packet(first, field(topic), uint16(id), none, sosReport(1))
const pubrel = (id: number) => packet(0x62, uint16(id))

/** So many answers, or those that came before the connection ended. */
async function answersOrEnd(client: RawClient, count: number): Promise<string[]> {
  const seen: string[] = []
  try {
    while (seen.length < count) seen.push(tell(await client.next(), 5))
  } catch {
    // it has ended
  }
  return seen
}

/** So many answers, in the order they came. */
async function answers(client: RawClient, count: number): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < count) seen.push(tell(await client.next(), 5))
  return seen
}

await t.test('two PUBRELs of one identifier in one segment: the second is for nothing', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
  client.send(publish(0x34, 9))
  t.strictSame(await answers(client, 1), ['PUBREC 9'])
  client.send(Buffer.concat([pubrel(9), pubrel(9)]))
  t.strictSame(await answers(client, 2), ['PUBCOMP 9', 'PUBCOMP 9 0x92'])
})

await t.test('a PUBREL for nothing does not change the PUBACK of the same identifier', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
  const before = client.received().length
  client.send(Buffer.concat([publish(0x32, 9), pubrel(9), hex('c0 00')]))
  // PUBACK of two bytes, PUBCOMP with 0x92, PINGRESP.
  while (client.received().length - before < 4 + 5 + 2) await client.next()
  const received = client.received().subarray(before)
  t.ok(received.includes(hex('40 02 0009')), 'PUBACK')
  t.ok(received.includes(hex('70 03 0009 92')), 'PUBCOMP')
})

// [MQTT-2.2.1-3] forbids the client to use an identifier that is in use. To answer each for itself and to end
// the connection are both right; to give one the codes of the other is not.
await t.test(
  '[MQTT-3.8.4-6] two SUBSCRIBEs of one identifier: none gets the codes of the other',
  async (t) => {
    const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
    const subscribe = (...filters: string[]) =>
      packet(0x82, uint16(5), none, ...filters.flatMap((filter) => [field(filter), hex('01')]))
    client.send(Buffer.concat([subscribe('sos/events/u'), subscribe('#', 'sos/events/x')]))
    const seen = await answersOrEnd(client, 2)
    t.ok(seen.length > 0)
    const right = new Set(['SUBACK 5: 01', 'SUBACK 5: a2 87', 'DISCONNECT 0x82'])
    t.strictSame(
      seen.filter((one) => !right.has(one)),
      [],
    )
  },
)

await t.test(
  '[MQTT-3.10.4-4] two UNSUBSCRIBEs of one identifier: none gets the codes of the other',
  async (t) => {
    const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
    client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'sos/events/u', qos: 0 }] })
    t.strictSame(await answers(client, 1), ['SUBACK 1: 00'])
    const unsubscribe = (...filters: string[]) =>
      packet(0xa2, uint16(5), none, ...filters.map((filter) => field(filter)))
    client.send(Buffer.concat([unsubscribe('sos/events/u'), unsubscribe('a', 'b')]))
    const seen = await answersOrEnd(client, 2)
    t.ok(seen.length > 0)
    const right = new Set(['UNSUBACK 5: 00', 'UNSUBACK 5: 11 11', 'DISCONNECT 0x82'])
    t.strictSame(
      seen.filter((one) => !right.has(one)),
      [],
    )
  },
)

await t.test('SUBSCRIBE, UNSUBSCRIBE and PUBLISH may use one identifier at a time each', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
  client.send(
    Buffer.concat([
      packet(0x82, uint16(5), none, field('#'), hex('01')),
      packet(0xa2, uint16(5), none, field('a'), field('b')),
      publish(0x32, 5),
    ]),
  )
  const seen = await answers(client, 3)
  t.strictSame(seen.toSorted(), ['PUBACK 5', 'SUBACK 5: a2', 'UNSUBACK 5: 11 11'])
})

await t.test('[MQTT-4.9.0-1] QoS 2 up to the Receive Maximum of CONNACK may wait for PUBREL', async (t) => {
  const client = await connectRaw(t, broker.ports.mqtt, 5)
  client.send(connect(user, { level: 5 }))
  const connack = await client.nextOf('connack')
  // Without the property it is 65535; a few more than a thousand stand for that.
  const count = Math.min(connack.properties?.receiveMaximum ?? 65_535, 1_100)
  client.send(Buffer.concat(Array.from({ length: count }, (_, i) => publish(0x34, i + 1))))
  t.strictSame(
    await answers(client, count),
    Array.from({ length: count }, (_, i) => `PUBREC ${i + 1}`),
  )
})

await t.test(
  '[MQTT-3.3.4-7] one QoS 2 handshake more than that ends the connection, with 0x93 in 5.0',
  async (t) => {
    const announced = await connectRaw(t, broker.ports.mqtt, 5)
    announced.send(connect(user, { level: 5 }))
    const { properties } = await announced.nextOf('connack')
    const count = properties?.receiveMaximum ?? 65_535
    for (const level of [4, 5] as const) {
      const client = level === 5 ? announced : await logIn(t, broker.ports.mqtt, user, { protocolVersion: 4 })
      const none = level === 5 ? hex('00') : hex('')
      const publish = (id: number) => packet(0x34, field('tel/data'), uint16(id), none, hex('7b7d'))
      client.send(Buffer.concat(Array.from({ length: count + 1 }, (_, i) => publish(i + 1))))
      const seen = await client.untilClosed()
      const ends = seen.filter(({ cmd }) => cmd === 'disconnect')
      t.match(ends, level === 5 ? [{ reasonCode: 0x93 }] : [])
      t.equal(ends.length, level === 5 ? 1 : 0)
      t.equal(seen.filter(({ cmd }) => cmd === 'pubrec').length, count, 'those before it were answered')
    }
  },
)

await t.test('[MQTT-4.3.3-5] a PUBREC that refuses gets no PUBREL', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, user, { protocolVersion: 5 })
  client.send(
    packet(0x50, uint16(7), hex('87')),
    packet(0x32, field('tel/data'), uint16(8), none, hex('7b7d')),
  )
  t.strictSame(await answers(client, 1), ['PUBACK 8'])
})

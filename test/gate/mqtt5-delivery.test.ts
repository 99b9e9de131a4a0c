import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { startBroker } from '../support/broker.js'
import { tell } from '../support/byte-table.js'
import { connect, field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { sosReport, timeOf } from '../support/reports.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
type Test = Parameters<typeof logIn>[0]

/** A 5.0 session of this user that is subscribed to both forms of its events. */
async function follow(t: Test, name: string, properties?: object): Promise<RawClient> {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials(name), {
    protocolVersion: 5,
    ...(properties ? { properties } : {}),
  })
  const subscriptions = filtersOf(name).map((topic) => ({ topic, qos: 1 as const }))
  client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions })
  t.equal(tell(await client.next(), 5), 'SUBACK 1: 01 01')
  return client
}

function filtersOf(name: string): string[] {
  const { userId } = createUser({ appId: 'demo-app', externalUserId: name })
  return [`sos/events/${userId}`, `sos/events/${name}`]
}

async function nextEvent(client: RawClient) {
  const packet = await client.next()
  if (packet.cmd !== 'publish') throw new Error(`got ${tell(packet, 5)} where an event was due`)
  const { occurredAt } = JSON.parse(packet.payload.toString()) as { occurredAt: string }
  return {
    topic: packet.topic,
    occurredAt,
    messageId: packet.messageId as number,
    length: packet.length ?? 0,
  }
}

const sos = (id: number, second: number) =>
  packet(0x32, field('sos/alerts'), uint16(id), properties(), sosReport(second))

await t.test(
  '[MQTT-3.3.4-9] Receive Maximum 1: an event waits for the PUBACK of the one before it',
  async (t) => {
    const [uuidForm, externalForm] = filtersOf('window')
    const client = await follow(t, 'window', { receiveMaximum: 1 })
    const witness = await follow(t, 'window')
    witness.send(sos(2, 1))
    witness.send(sos(3, 2))
    // Sessions are served oldest first: when the witness has all four, nothing is on its way to the client.
    for (let events = 0; events < 4;) if ((await witness.next()).cmd === 'publish') events++
    for (const [topic, second] of [
      [uuidForm, 1],
      [externalForm, 1],
      [uuidForm, 2],
      [externalForm, 2],
    ] as const) {
      const event = await nextEvent(client)
      t.match(event, { topic, occurredAt: timeOf(second) })
      client.send('c0 00')
      t.equal(tell(await client.next(), 5), 'PINGRESP', 'no further event before PUBACK')
      client.send(packet(0x40, uint16(event.messageId)))
    }
    client.send('c0 00')
    t.equal(tell(await client.next(), 5), 'PINGRESP', 'and none is left')
  },
)

await t.test('[MQTT-3.3.4-9] Receive Maximum 2: two events may be on their way', async (t) => {
  const client = await follow(t, 'two', { receiveMaximum: 2 })
  const witness = await follow(t, 'two')
  witness.send(sos(2, 1))
  witness.send(sos(3, 2))
  for (let events = 0; events < 4;) if ((await witness.next()).cmd === 'publish') events++
  const first = await nextEvent(client)
  const second = await nextEvent(client)
  client.send('c0 00')
  t.equal(tell(await client.next(), 5), 'PINGRESP')
  // A PUBACK for nothing frees no place; one with an error code does.
  client.send(packet(0x40, uint16(first.messageId === 1 ? 2 : first.messageId - 1)), 'c0 00')
  t.equal(tell(await client.next(), 5), 'PINGRESP')
  client.send(packet(0x40, uint16(second.messageId), hex('80')))
  t.match(await nextEvent(client), { occurredAt: timeOf(2) })
  client.send('c0 00')
  t.equal(tell(await client.next(), 5), 'PINGRESP')
})

await t.test('Receive Maximum does not hold back events of QoS 0, nor answers', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('zero'), {
    protocolVersion: 5,
    properties: { receiveMaximum: 1 },
  })
  const subscriptions = filtersOf('zero').map((topic) => ({ topic, qos: 0 as const }))
  client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions })
  await client.nextOf('suback')
  client.send(sos(2, 1))
  const seen = [await client.next(), await client.next(), await client.next()].map((one) => tell(one, 5))
  t.strictSame(seen.toSorted(), ['PUBACK 2', 'PUBLISH', 'PUBLISH'])
})

await t.test(
  '[MQTT-3.1.2-24] an event larger than Maximum Packet Size is not sent, one as large is',
  async (t) => {
    const probe = await follow(t, 'size-a')
    probe.send(sos(2, 1))
    const sizes = new Map<string, number>()
    while (sizes.size < 2) {
      const packet = await probe.next()
      // What mqtt-packet tells is Remaining Length; the fixed header has three bytes here.
      if (packet.cmd === 'publish') sizes.set(packet.topic, (packet.length as number) + 3)
    }
    const [uuidForm, externalForm] = filtersOf('size-a').map((filter) => sizes.get(filter) as number)
    t.ok((externalForm as number) < (uuidForm as number), 'the external-id copy is the smaller one')

    const cases = [
      { name: 'size-b', maximumPacketSize: uuidForm as number, topics: filtersOf('size-b') },
      { name: 'size-c', maximumPacketSize: (uuidForm as number) - 1, topics: filtersOf('size-c').slice(1) },
      { name: 'size-d', maximumPacketSize: externalForm as number, topics: filtersOf('size-d').slice(1) },
      { name: 'size-e', maximumPacketSize: (externalForm as number) - 1, topics: [] },
    ]
    for (const { name, maximumPacketSize, topics } of cases) {
      const client = await follow(t, name, { maximumPacketSize, receiveMaximum: 2 })
      const witness = await follow(t, name)
      witness.send(sos(2, 1))
      for (let events = 0; events < 2;) if ((await witness.next()).cmd === 'publish') events++
      client.send('c0 00')
      const seen: string[] = []
      for (let packet = await client.next(); packet.cmd !== 'pingresp'; packet = await client.next())
        seen.push(packet.cmd === 'publish' ? packet.topic : tell(packet, 5))
      t.strictSame(seen, topics, `Maximum Packet Size ${maximumPacketSize}`)
      client.send(sos(4, 1))
      t.equal(tell(await client.next(), 5), 'PUBACK 4', 'the session lives')
    }
  },
)

await t.test('[MQTT-3.4.2-2] PUBACK leaves its reason string out where it does not fit', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('small'), {
    protocolVersion: 5,
    properties: { maximumPacketSize: 30 },
  })
  const before = client.received().length
  client.send(packet(0x32, field('tel/data'), uint16(0x0102), properties(), Buffer.from('no json')))
  await client.nextOf('puback')
  t.strictSame(client.received().subarray(before), hex('40 03 0102 99'))
})

await t.test('[MQTT-3.14.2-3] DISCONNECT leaves its reason string out where it does not fit', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('small'), {
    protocolVersion: 5,
    properties: { maximumPacketSize: 30 },
  })
  const before = client.received().length
  client.send(packet(0x30, field('tel/+/data'), properties()))
  t.strictSame(
    (await client.untilClosed()).map((one) => tell(one, 5)),
    ['DISCONNECT 0x90'],
  )
  t.ok(client.received().length - before <= 30, `${client.received().length - before} bytes`)
})

await t.test('[MQTT-3.1.2-24] a client with no room for a CONNACK is not left waiting for one', async (t) => {
  const client = await connectRaw(t, broker.ports.mqtt, 5)
  client.send(
    connect(broker.credentials('tiny'), { level: 5, properties: properties(hex('27 00000002')) }),
    'c0 00',
  )
  // PINGRESP would fit, and would show a session that the client knows nothing of.
  const seen = await client.nextOf('pingresp').then(
    () => 'PINGRESP',
    () => 'the connection ended',
  )
  t.equal(seen, 'the connection ended')
})

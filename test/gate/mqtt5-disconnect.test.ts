import t from 'tap'
import { startBroker } from '../support/broker.js'
import { tell } from '../support/byte-table.js'
import { field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'
import { logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { sosReport, timeOf } from '../support/reports.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug', SESSIONS_PER_USER: '1' } })
const publish = (version: 4 | 5, id: number, second: number, first = 0x32) =>
  packet(
    first,
    field('sos/alerts'),
    uint16(id),
    version === 5 ? properties() : Buffer.alloc(0),
    sosReport(second),
  )
const untilClosed = async (client: RawClient, version: 4 | 5) =>
  (await client.untilClosed()).map((one) => tell(one, version))

for (const version of [4, 5] as const) {
  const reason = (code: string) => (version === 5 ? [`DISCONNECT ${code}`] : [])
  const as = (name: string) => broker.credentials(`${name}-${version}`)
  const options = { protocolVersion: version }

  await t.test(`contract 2: the session that gives way is told 0x8E (version ${version})`, async (t) => {
    const old = await logIn(t, broker.ports.mqtt, as('taken'), options)
    const young = await logIn(t, broker.ports.mqtt, as('taken'), options)
    t.strictSame(await untilClosed(old, version), reason('0x8e'))
    young.send('c0 00')
    t.equal(tell(await young.next(), version), 'PINGRESP')
  })

  await t.test(
    `what was read is acknowledged before the session gives way (version ${version})`,
    async (t) => {
      const old = await logIn(t, broker.ports.mqtt, as('answered'), options)
      old.send(Buffer.concat([1, 2, 3, 4, 5].map((id) => publish(version, id, id))), 'c0 00')
      await old.nextOf('pingresp')
      await logIn(t, broker.ports.mqtt, as('answered'), options)
      const last = (await untilClosed(old, version)).at(-1)
      const acknowledged = [1, 2, 3, 4, 5].map((id) => hex(`40 02 000${id}`))
      for (const puback of acknowledged) t.ok(old.received().includes(puback), puback.toString('hex'))
      if (version === 5) t.equal(last, 'DISCONNECT 0x8e')
    },
  )

  await t.test(
    `contract 3: a retained publication ends the session with 0x9A (version ${version})`,
    async (t) => {
      for (const first of [0x31, 0x33, 0x35]) {
        const client = await logIn(t, broker.ports.mqtt, as('retain'), options)
        const id = first & 6 ? uint16(1) : Buffer.alloc(0)
        const none = version === 5 ? properties() : Buffer.alloc(0)
        client.send(packet(first, field('tel/data'), id, none, Buffer.from('{}')))
        t.strictSame(await untilClosed(client, version), reason('0x9a'))
      }
    },
  )

  await t.test(
    `[MQTT-3.1.2-24] a client that is silent past its keep alive is told 0x8D (version ${version})`,
    async (t) => {
      const client = await logIn(t, broker.ports.mqtt, as('silent'), { ...options, keepalive: 1 })
      t.strictSame(await untilClosed(client, version), reason('0x8d'))
    },
  )

  await t.test(
    `an SOS before a malformed packet in the same segment is acknowledged (version ${version})`,
    async (t) => {
      const client = await logIn(t, broker.ports.mqtt, as('before'), options)
      client.send(
        Buffer.concat([publish(version, 1, 1), publish(version, 2, 2), hex('c1 00'), publish(version, 3, 3)]),
      )
      t.strictSame(await untilClosed(client, version), ['PUBACK 1', 'PUBACK 2', ...reason('0x81')])
    },
  )

  await t.test(
    `[MQTT-3.14.4-3] a DISCONNECT is not answered, and nothing behind it is read (version ${version})`,
    async (t) => {
      const user = as('behind')
      const client = await logIn(t, broker.ports.mqtt, user, options)
      client.send(Buffer.concat([publish(version, 1, 1), hex('e0 00'), publish(version, 2, 2)]))
      t.strictSame(await untilClosed(client, version), ['PUBACK 1'])
      const after = await logIn(t, broker.ports.mqtt, user)
      const subscriptions = [{ topic: `sos/events/${user.externalUserId}`, qos: 0 as const }]
      after.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions })
      await after.nextOf('suback')
      // Had it been read, it would be a repeat by now and make no event.
      after.send(publish(4, 3, 2))
      const event = await after.nextOf('publish')
      t.match(JSON.parse(event.payload.toString()), { occurredAt: timeOf(2), snapshotVersion: 2 })
    },
  )
}

await t.test('5.0: DISCONNECT with any reason of a client ends the session in silence', async (t) => {
  for (const body of ['', '00', '04', '00 00', '81 00', '93 00', '00 05 11 00000000', '00 04 1f 0001 78']) {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials('bye'), { protocolVersion: 5 })
    client.send(packet(0xe0, hex(body)))
    t.strictSame(await untilClosed(client, 5), [], body)
  }
})

await t.test('5.0: DISCONNECT may keep a Session Expiry that CONNECT asked for', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('expiry'), {
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 60 },
  })
  client.send('e0 07 00 05 11 0000003c')
  t.strictSame(await untilClosed(client, 5), [])
})

await t.test('a stopping broker tells 5.0 clients 0x8B, closes the others, and ends with 0', async (t) => {
  const stopping = await startBroker(t)
  const one = await logIn(t, stopping.ports.mqtt, stopping.credentials('one'), { protocolVersion: 5 })
  const other = await logIn(t, stopping.ports.mqtt, stopping.credentials('other'))
  const exit = stopping.stop()
  t.strictSame(await untilClosed(one, 5), ['DISCONNECT 0x8b'])
  t.strictSame(await untilClosed(other, 4), [])
  t.equal(await exit, 0)
})

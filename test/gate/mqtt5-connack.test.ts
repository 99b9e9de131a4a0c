import t from 'tap'
import type { IConnackPacket } from 'mqtt-packet'
import { startBroker } from '../support/broker.js'
import { connect, hex, properties } from '../support/packet-bytes.js'
import type { ConnectFields } from '../support/packet-bytes.js'
import { connectRaw } from '../support/raw-client.js'

const PACKET_BYTES_MAX = 12_345
const broker = await startBroker(t, { env: { PACKET_BYTES_MAX: String(PACKET_BYTES_MAX) } })
const user = broker.credentials('u')
// Receive Maximum may be told, too; what it promises is held in packet-ids.test.ts.
const available = {
  maximumPacketSize: PACKET_BYTES_MAX,
  retainAvailable: false,
  wildcardSubscriptionAvailable: false,
  subscriptionIdentifiersAvailable: false,
  sharedSubscriptionAvailable: false,
}

async function connackFor(t: Test, fields: ConnectFields = {}): Promise<IConnackPacket> {
  const client = await connectRaw(t, broker.ports.mqtt, 5)
  client.send(connect(user, { level: 5, ...fields }))
  return client.nextOf('connack')
}
function toldBy({ properties = {} }: IConnackPacket): object {
  const { receiveMaximum: _, ...told } = properties
  return told
}
type Test = Parameters<typeof connectRaw>[0]

await t.test(
  'contract 3: the CONNECT of the SDK gets a CONNACK that says what is available, and no more',
  async (t) => {
    const connack = await connackFor(t)
    t.equal(connack.reasonCode, 0)
    t.equal(connack.sessionPresent, false)
    // No Server Keep Alive (the SDK ignores it), no Maximum QoS (2), no Topic Alias Maximum (0).
    t.strictSame(toldBy(connack), available)
  },
)

await t.test('contract 3: a Session Expiry above 0 is answered with Session Expiry 0', async (t) => {
  for (const seconds of ['00000001', '0000003c', 'ffffffff']) {
    const connack = await connackFor(t, { properties: properties(hex(`11 ${seconds}`)) })
    t.strictSame(toldBy(connack), { ...available, sessionExpiryInterval: 0 }, seconds)
  }
})

await t.test('a Session Expiry of 0 needs no answer', async (t) => {
  const connack = await connackFor(t, { properties: properties(hex('11 00000000')) })
  t.strictSame(toldBy(connack), available)
})

await t.test(
  '[MQTT-3.2.2-2] Session Present is 0 also for clean start 0, twice with one client identifier',
  async (t) => {
    for (const _ of [1, 2]) {
      const connack = await connackFor(t, {
        flags: 0xc0,
        clientId: 'again',
        properties: properties(hex('11 0000ffff')),
      })
      t.equal(connack.reasonCode, 0)
      t.equal(connack.sessionPresent, false)
    }
  },
)

await t.test(
  '[MQTT-3.2.2-16] an empty client identifier is answered with one that nobody else has',
  async (t) => {
    const one = (await connackFor(t, { clientId: '' })).properties?.assignedClientIdentifier
    const other = (await connackFor(t, { clientId: '' })).properties?.assignedClientIdentifier
    t.match(one, /^.{1,64}$/)
    t.match(other, /^.{1,64}$/)
    t.not(one, other)
  },
)

await t.test('a refusing CONNACK carries no properties of a session', async (t) => {
  const connack = await connackFor(t, {
    password: 'f'.repeat(64),
    clientId: '',
    properties: properties(hex('11 0000003c')),
  })
  t.equal(connack.reasonCode, 0x87)
  t.equal(connack.sessionPresent, false)
  t.strictSame(Object.keys(connack.properties ?? {}), [])
})

await t.test('a CONNACK that says what was malformed has a reason string', async (t) => {
  const connack = await connackFor(t, { properties: properties(hex('21 0000')) })
  t.equal(connack.reasonCode, 0x82)
  t.match(connack.properties?.reasonString, /receiveMaximum/i)
})

await t.test('3.1.1: CONNACK has two bytes and Session Present 0', async (t) => {
  const client = await connectRaw(t, broker.ports.mqtt)
  client.send(connect(user))
  await client.nextOf('connack')
  t.strictSame(client.received(), hex('20 02 00 00'))
})

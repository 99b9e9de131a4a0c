import mqttPacket from 'mqtt-packet'
import type { Packet } from 'mqtt-packet'
import t from 'tap'
import { startBroker } from '../support/broker.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import { openStoreOf } from '../support/stored.js'
import { createUser } from '../../auth/identity.js'

type Tap = Parameters<typeof logIn>[0]

const broker = await startBroker(t, { env: { TELEMETRY_RATE: '4', TELEMETRY_BURST: '1' } })
const { mqtt } = broker.ports
const credentials = broker.credentials('alice')

// What is wrong, the bytes after a good CONNECT, and the reason that 5.0 is told.
const BAD: [what: string, bytes: (version: 4 | 5) => string, reasonCode: number][] = [
  ['a packet larger than PACKET_BYTES_MAX', () => '32 81 80 04', 0x95],
  ['a Remaining Length of five bytes', () => '30 ff ff ff ff 01', 0x81],
  ['a field that passes the end of its packet', () => '32 03 00 09 61', 0x81],
  ['reserved flags on PINGREQ', () => 'c1 00', 0x81],
  ['a second CONNECT', () => '10 0c 00044d515454 04 02 001e 0000', 0x82],
  ['a packet that only a server sends', () => '20 02 00 00', 0x82],
  [
    'packet identifier 0',
    (version) => (version === 5 ? '32 06 0001 61 0000 00' : '32 05 0001 61 0000'),
    0x82,
  ],
  [
    'a wildcard in a topic name',
    (version) => (version === 5 ? '30 05 0002 612b 00' : '30 04 0002 612b'),
    0x90,
  ],
  ['SUBSCRIBE without a filter', (version) => (version === 5 ? '82 03 0001 00' : '82 02 0001'), 0x82],
]

for (const [what, bytes, reasonCode] of BAD) {
  t.test(
    `design 4: ${what} closes 3.1.1 and ends 5.0 with DISCONNECT 0x${reasonCode.toString(16)}`,
    async (t) => {
      const old = await logIn(t, mqtt, credentials, { protocolVersion: 4 })
      old.send(bytes(4))
      t.same(await old.untilClosed(), [])
      const modern = await logIn(t, mqtt, credentials, { protocolVersion: 5 })
      modern.send(bytes(5))
      const packets = await modern.untilClosed()
      t.match(packets, [{ cmd: 'disconnect', reasonCode }])
      t.equal(packets.length, 1)
    },
  )
}

t.test(
  'design 4: a first packet that is no CONNECT, or a CONNECT above 4 KiB, is closed unanswered',
  async (t) => {
    const http = Buffer.from(`GET / HTTP/1.1\r\nHost: ${'x'.repeat(80)}\r\n\r\n`).toString('hex')
    for (const bytes of ['c000', '8206 0001 0001 61 00', '10 81 20', '0000', http]) {
      const raw = await connectRaw(t, mqtt)
      raw.send(bytes)
      t.same(await raw.untilClosed(), [], bytes)
    }
  },
)

t.test(
  'design 4: an SOS in front of a broken packet is stored and acknowledged before the end',
  async (t) => {
    const raw = await logIn(t, mqtt, credentials, { protocolVersion: 5 })
    raw.send(
      Buffer.concat([
        publishOf('sos/alerts', 11, { timestamp: '2026-05-01T10:00:00.000Z' }),
        Buffer.from([0xc1, 0]),
      ]),
    )
    t.match(await raw.untilClosed(), [
      { cmd: 'puback', messageId: 11 },
      { cmd: 'disconnect', reasonCode: 0x81 },
    ])
  },
)

for (const version of [4, 5] as const) {
  t.test(
    `design 4: telemetry that comes too fast is read more slowly and an SOS overtakes it, version ${version}`,
    async (t) => {
      const raw = await logIn(t, mqtt, credentials, { protocolVersion: version })
      const telemetry = Array.from({ length: 6 }, (_, i) =>
        publishOf('tel/data', i + 1, { timestamp: `2026-05-01T10:00:0${i}.000Z` }, version),
      )
      const sos = publishOf('sos/alerts', 99, { timestamp: `2026-05-01T10:00:0${version}.000Z` }, version)
      raw.send(Buffer.concat([...telemetry, sos]))
      const answered = await pubacks(raw.next, 7)
      t.ok(answered.indexOf(99) < 2, `the SOS waits for one message at most: ${answered.join(' ')}`)
      t.same(
        answered.filter((packetId) => packetId !== 99),
        [1, 2, 3, 4, 5, 6],
        'and all telemetry is acknowledged in its order',
      )
    },
  )
}

t.test(
  'design 4: what was too fast was stored all the same, and neighbours noticed nothing',
  async (t: Tap) => {
    const store = await openStoreOf(t, broker)
    const times = (await store.telemetry.readLatest('demo-app', 100)).map(({ occurredAt }) => occurredAt)
    const once = Array.from({ length: 6 }, (_, i) => `2026-05-01T10:00:0${i}.000Z`)
    t.same(times.toReversed(), [...once, ...once])
    t.match(await store.incidents.readOpen(createUser(credentials)), { status: 'active', reports: 3 })
  },
)

function publishOf(topic: string, messageId: number, content: object, protocolVersion: 4 | 5 = 5): Buffer {
  const payload = JSON.stringify(content)
  return mqttPacket.generate(
    { cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId },
    { protocolVersion },
  )
}

async function pubacks(next: () => Promise<Packet>, count: number): Promise<number[]> {
  const packetIds: number[] = []
  while (packetIds.length < count) {
    const packet = await next()
    if (packet.cmd === 'puback') packetIds.push(packet.messageId ?? 0)
  }
  return packetIds
}

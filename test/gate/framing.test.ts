import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { startBroker } from '../support/broker.js'
import { tell } from '../support/byte-table.js'
import { connect, field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import { sosReport } from '../support/reports.js'

type Version = 3 | 4 | 5

// Short, because every byte of it is cut once.
const timestamp = '2026-05-01T10:00:00Z'
const REPORT = JSON.stringify({ timestamp })

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const companion = await logIn(t, broker.ports.mqtt, broker.credentials('companion'))

/** A round trip through the broker: what was written before it has been read when it ends. */
async function roundTrip(): Promise<void> {
  companion.send('c0 00')
  await companion.nextOf('pingresp')
}

/** All that a client says up to its answers; each user says it once, because a repeated SOS makes no event. */
function conversation(version: Version, name: string): Buffer {
  const none = version === 5 ? properties() : Buffer.alloc(0)
  const some = version === 5 ? properties(hex('01 01 26'), field('key'), field('value')) : Buffer.alloc(0)
  const user = broker.credentials(name)
  return Buffer.concat([
    connect(user, {
      level: version,
      protocolName: version === 3 ? 'MQIsdp' : 'MQTT',
      properties: properties(hex('21 0005')),
    }),
    packet(0x82, uint16(1), none, field(`sos/events/${name}`), hex('01')),
    packet(0x32, field('sos/alerts'), uint16(2), some, Buffer.from(REPORT)),
    hex('c0 00'),
    packet(0xa2, uint16(3), none, field('sos/events/x')),
  ])
}

/** Sends the pieces one by one and tells what came, in the order of the alphabet: answers may pass each other. */
async function answersTo(t: Test, version: Version, pieces: Buffer[]): Promise<string[]> {
  const client = await connectRaw(t, broker.ports.mqtt, version)
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) await roundTrip()
    client.send(piece)
  }
  const seen: string[] = []
  while (seen.length < 6) {
    const packet = await client.next()
    if (packet.cmd !== 'publish') seen.push(tell(packet, version))
    else seen.push(`event ${(JSON.parse(packet.payload.toString()) as { occurredAt: string }).occurredAt}`)
  }
  client.send('e0 00')
  for (const packet of await client.untilClosed()) seen.push(tell(packet, version))
  return seen.toSorted()
}
type Test = Parameters<typeof connectRaw>[0]

function expected(version: Version): string[] {
  const answers = ['PUBACK 2', 'PINGRESP', 'SUBACK 1: 01', `event ${timestamp}`]
  const others = version === 5 ? ['CONNACK 0x00', 'UNSUBACK 3: 11'] : ['CONNACK 0', 'UNSUBACK 3:']
  return [...answers, ...others].toSorted()
}

for (const version of [3, 4, 5] as const) {
  await t.test(`version ${version}: a whole conversation in one segment is answered whole`, async (t) => {
    const bytes = conversation(version, `whole-${version}`)
    t.strictSame(await answersTo(t, version, [bytes]), expected(version))
  })

  await t.test(`version ${version}: a conversation byte by byte gets the same answers`, async (t) => {
    const bytes = conversation(version, `bytes-${version}`)
    const pieces = [...bytes].map((byte) => Buffer.from([byte]))
    t.strictSame(await answersTo(t, version, pieces), expected(version))
  })

  await t.test(
    `version ${version}: an SOS right behind CONNECT is stored although the client has left`,
    async (t) => {
      const name = `leaving-${version}`
      const { userId } = createUser({ appId: 'demo-app', externalUserId: name })
      const client = await connectRaw(t, broker.ports.mqtt, version)
      client.socket.end(conversation(version, name))
      const stored = await broker.logged(({ msg, ...line }) => msg === 'sos stored' && line.userId === userId)
      t.match(stored, { repeat: false, incidentId: String })
    },
  )

  await t.test(
    `version ${version}: CONNECT, SUBSCRIBE, PUBLISH and DISCONNECT in one segment are answered`,
    async (t) => {
      const client = await connectRaw(t, broker.ports.mqtt, version)
      client.send(Buffer.concat([conversation(version, `quick-${version}`), hex('e0 00')]))
      const seen = (await client.untilClosed())
        .map((one) => tell(one, version))
        .filter((one) => one !== 'PUBLISH')
      const answers = expected(version).filter((one) => !one.startsWith('event'))
      t.strictSame(seen.toSorted(), answers)
    },
  )
}

// 3.1 differs in no way that a cut could show; its conversation byte by byte is above.
for (const version of [4, 5] as const) {
  await t.test(`version ${version}: a conversation cut anywhere gets the same answers`, async (t) => {
    const { length } = conversation(version, `cut-${version}-0000`)
    const wrong: string[] = []
    for (let at = 1; at < length; at++) {
      const bytes = conversation(version, `cut-${version}-${String(at).padStart(4, '0')}`)
      const answers = await answersTo(t, version, [bytes.subarray(0, at), bytes.subarray(at)])
      if (answers.join() !== expected(version).join()) wrong.push(`cut at ${at}: ${answers.join(', ')}`)
    }
    t.ok(length > 200, `${length - 1} cuts`)
    t.strictSame(wrong, [])
  })
}

await t.test('a hundred publications in one segment get a hundred PUBACKs, in order', async (t) => {
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('many'))
  const ids = Array.from({ length: 100 }, (_, i) => i + 1)
  client.send(
    Buffer.concat(ids.map((id) => packet(0x32, field('sos/alerts'), uint16(id), sosReport(id % 60)))),
  )
  const seen: string[] = []
  while (seen.length < ids.length) seen.push(tell(await client.next(), 4))
  t.strictSame(
    seen,
    ids.map((id) => `PUBACK ${id}`),
  )
})

await t.test(
  'a client that waits for its CONNACK with an oversized packet behind CONNECT is closed',
  async (t) => {
    const client = await connectRaw(t, broker.ports.mqtt)
    client.send(Buffer.concat([connect(broker.credentials('big')), hex('30 ffffff7f'), Buffer.alloc(30_000)]))
    t.strictSame(
      (await client.untilClosed()).map((one) => tell(one, 4)),
      ['CONNACK 0'],
    )
  },
)

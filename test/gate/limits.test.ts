import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import { connectRaw, createRawClient, logIn } from '../support/raw-client.js'
import { connectBytes, publishBytes, sosPayload } from '../support/wire-packets.js'
import { openWire, TRANSPORTS } from '../support/wires.js'

/** So long that nothing below can be closed because of it. */
const NEVER = { CONNECT_TIMEOUT_MS: '600000' }

t.test('a connection that sends no CONNECT in time is closed', async (t) => {
  // Long enough for a TLS handshake on a busy machine; all wait for it at the same time.
  const broker = await startBroker(t, { env: { CONNECT_TIMEOUT_MS: '1500' } })
  t.jobs = 11
  for (const transport of TRANSPORTS) {
    t.test(`silent over ${transport}`, { buffered: true }, async (t) => {
      const wire = await openWire(t, broker, transport)
      const client = createRawClient(t, wire.stream, 4)
      t.same(await client.untilClosed(), [])
      const line = await broker.logged((line) => line.transport === transport)
      t.match(line, { clause: 'limit', reason: 'no CONNECT in time' })
    })
    t.test(`half a CONNECT over ${transport}`, { buffered: true }, async (t) => {
      const wire = await openWire(t, broker, transport)
      const client = createRawClient(t, wire.stream, 4)
      wire.sendTogether([connectBytes(broker.credentials('alice')).subarray(0, -1)])
      t.same(await client.untilClosed(), [])
    })
  }
  for (const port of ['mqtts', 'https'] as const) {
    t.test(`no TLS handshake on the ${port} port`, { buffered: true }, async (t) => {
      t.equal((await untilClosed(t, broker.ports[port], '')).length, 0)
    })
  }
  t.test('a CONNECT that trickles is not given more time', { buffered: true }, async (t) => {
    const client = await connectRaw(t, broker.ports.mqtt)
    const bytes = connectBytes(broker.credentials('alice'), { clientId: 'x'.repeat(3_000) })
    let isClosed = false
    client.socket.once('close', () => (isClosed = true))
    let sent = 0
    // Each byte goes out when the broker has answered something else, so all of them would take seconds.
    // oxlint-disable-next-line no-unmodified-loop-condition -- the close listener ends it
    for (; !isClosed && sent < bytes.length; sent++) {
      client.socket.write(bytes.subarray(sent, sent + 1))
      await readMetrics(broker)
    }
    t.ok(sent < bytes.length, `closed after ${sent} of ${bytes.length} bytes`)
    t.equal(client.received().length, 0)
  })
})

t.test('a WebSocket client whose upgrade does not come in time is closed', { timeout: 10_000 }, async (t) => {
  const broker = await startBroker(t, { env: { CONNECT_TIMEOUT_MS: '1000' } })
  t.match(await untilClosed(t, broker.ports.http, ''), /^$|^HTTP\/1.1 408/, 'nothing sent')
  const half = 'GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'
  t.match(await untilClosed(t, broker.ports.http, half), /^$|^HTTP\/1.1 408/, 'half a header')
})

t.test('a slow CONNECT that comes in time is accepted, however it is cut', async (t) => {
  const broker = await startBroker(t, { env: NEVER })
  const client = await connectRaw(t, broker.ports.mqtt)
  for (const byte of connectBytes(broker.credentials('alice'))) {
    await new Promise((resolve) => client.socket.write(Buffer.from([byte]), resolve))
  }
  t.match(await client.nextOf('connack'), { returnCode: 0 })
})

t.test('a CONNECT over 4 KiB is refused before its bytes are there', async (t) => {
  const broker = await startBroker(t, { env: NEVER })
  await t.test('4096 bytes are taken', async (t) => {
    const client = await connectRaw(t, broker.ports.mqtt)
    const credentials = broker.credentials('alice')
    const rest = connectBytes(credentials, { clientId: 'x'.repeat(3_000) }).length - 3_000
    const largest = connectBytes(credentials, { clientId: 'x'.repeat(4_096 - rest) })
    t.equal(largest.length, 4_096)
    client.send(largest)
    t.match(await client.nextOf('connack'), { returnCode: 0 })
  })
  for (const [name, header] of [
    ['4097 bytes', '10 fe 1f'],
    ['16 MB', '10 ff ff ff 07'],
    ['a length of five bytes', '10 ff ff ff ff 01'],
  ] as const) {
    await t.test(`${name}, announced and not sent`, async (t) => {
      const client = await connectRaw(t, broker.ports.mqtt)
      client.send(header)
      t.same(await client.untilClosed(), [])
    })
  }
})

t.test('300 sockets that announce a large CONNECT and stop cost bounded memory', async (t) => {
  const broker = await startBroker(t, { env: NEVER })
  await readMetrics(broker)
  const before = (await readMetrics(broker))('process_resident_memory_bytes')
  // Refused at once: what follows the header of a 16 MB CONNECT is thrown away, never kept.
  await Promise.all(
    Array.from({ length: 300 }, async () => {
      const client = await connectRaw(t, broker.ports.mqtt)
      client.send('10 ff ff ff 07', Buffer.alloc(200_000))
      await client.untilClosed()
    }),
  )
  // As much as may be announced: these stay, with all they sent.
  const open = await Promise.all(Array.from({ length: 300 }, () => connectRaw(t, broker.ports.mqtt)))
  for (const client of open) client.send('10 fd 1f', Buffer.alloc(4_000))
  const read = await metricsUntil(broker, (read) => read('connect_broker_connections') === 300)
  // 300 x 16 MB were announced and 300 x 200 KB sent. A connection costs some 25 KB, what it may keep 4 KB and
  // double while it grows: 10 MB in all; the rest of the bound is what the collector leaves lying about.
  const grown = read('process_resident_memory_bytes') - before
  t.ok(grown < 64 * 1024 * 1024, `resident memory grew by ${Math.round(grown / 1024)} KiB`)
  t.equal(read('connect_broker_protocol_violations_total', { clause: 'limit' }), 300)
})

t.test('a packet over PACKET_BYTES_MAX ends the connection as soon as it is announced', async (t) => {
  const broker = await startBroker(t, { env: { PACKET_BYTES_MAX: '2048' } })
  const overhead = publishBytes('sos/alerts', 'x'.repeat(1_000)).length - 1_000
  const largest = publishBytes('sos/alerts', sosPayload().padEnd(2_048 - overhead, ' '))
  t.equal(largest.length, 2_048)

  const three = await logIn(t, broker.ports.mqtt, broker.credentials('alice'))
  three.send(largest)
  t.match(await three.nextOf('puback'), { messageId: 1 }, 'the largest is taken')
  three.send('32 fe 0f') // 2049 bytes with its header
  t.same(await three.untilClosed(), [])

  const five = await logIn(t, broker.ports.mqtt, broker.credentials('alice'), { protocolVersion: 5 })
  five.send(publishBytes('sos/alerts', sosPayload(1), { version: 5 }), '32 fe 0f')
  t.match(
    await five.untilClosed(),
    [
      { cmd: 'puback', messageId: 1 },
      { cmd: 'disconnect', reasonCode: 0x95 },
    ],
    'what came before it is answered, then DISCONNECT says Packet too large',
  )
})

t.test('a session has at most SUBSCRIPTIONS_PER_SESSION topic filters', async (t) => {
  const broker = await startBroker(t, { env: { SUBSCRIPTIONS_PER_SESSION: '2' } })
  // Three ways in which a user named `a b` may write its own topic.
  const filters = ['sos/events/a b', 'sos/events/a%20b', 'sos/events/%61%20b'] as const
  for (const [protocolVersion, refused] of [
    [4, 0x80],
    [5, 0x97],
  ] as const) {
    await t.test(`version ${protocolVersion}`, async (t) => {
      const client = await logIn(t, broker.ports.mqtt, broker.credentials('a b'), { protocolVersion })
      const subscribe = async (...topics: string[]) => {
        const subscriptions = topics.map((topic) => ({ topic, qos: 1 as const }))
        client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions })
        return (await client.nextOf('suback')).granted
      }
      t.same(await subscribe(...filters), [1, 1, refused])
      t.same(await subscribe(filters[0]), [1], 'one that it has already is no further one')
      client.sendPacket({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [filters[0]] })
      await client.nextOf('unsuback')
      t.same(await subscribe(filters[2]), [1], 'there is room again')
    })
  }
})

/** Everything that a socket received until the broker closed it. */
async function untilClosed(t: Test, port: Broker['ports']['mqtt'], text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('data', (chunk: Buffer) => (received += chunk))
  socket.on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return received
}

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { createWebSocketStream, WebSocket } from 'ws'
import { startBroker } from '../support/broker.js'
import type { LogLine } from '../support/broker.js'
import { readMetrics } from '../support/metrics.js'
import { dial, proxyHeader1, proxyHeader2, untilClosed } from '../support/proxied.js'
import { publishSos } from '../support/publishing.js'
import { createRawClient } from '../support/raw-client.js'
import { connectBytes, publishBytes, sosPayload } from '../support/wire-packets.js'

const REASON = { reason: 'proxy-header' }

const PROXY = '127.0.0.1'
const STRANGER = '127.0.0.9'
const broker = await startBroker(t, { env: { PROXY_NETWORKS: `${PROXY}, 192.0.2.0/24` } })
const V4 = 'cb 00 71 07  c6 33 64 01  12 67  07 5b' // 203.0.113.7:4711 to 198.51.100.1:1883
const V6 =
  '20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 05  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01  12 67  07 5b'
const line = (text: string) => Buffer.from(text)

// It is closed while the others are tried.
const silent = await dial(t, broker.ports.mqtt, PROXY)
const { localPort: silentPort } = silent

const good: Record<string, [header: Buffer, address: string, port?: number]> = {
  'version 1, IPv4': [line('PROXY TCP4 203.0.113.7 198.51.100.1 4711 1883\r\n'), '203.0.113.7', 4711],
  'version 1, IPv6': [line('PROXY TCP6 2001:db8::5 2001:db8::1 4711 1883\r\n'), '2001:db8::5', 4711],
  'version 1, IPv4 inside IPv6': [line('PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 1883\r\n'), '203.0.113.7'],
  'version 1, UNKNOWN': [line('PROXY UNKNOWN\r\n'), PROXY],
  'version 1, UNKNOWN with words': [line(`PROXY UNKNOWN ${'f'.repeat(90)}\r\n`), PROXY],
  'version 2, IPv4': [proxyHeader2(0x21, 0x11, V4), '203.0.113.7', 4711],
  'version 2, IPv6': [proxyHeader2(0x21, 0x21, V6), '2001:db8::5', 4711],
  'version 2, with TLVs': [proxyHeader2(0x21, 0x11, `${V4} 04 00 02 aa bb ea 00 01 10`), '203.0.113.7'],
  'version 2, 4 KiB of TLVs': [
    proxyHeader2(
      0x21,
      0x11,
      Buffer.concat([Buffer.from(V4.replaceAll(' ', ''), 'hex'), Buffer.alloc(4_068, 4)]),
    ),
    '203.0.113.7',
  ],
  'version 2, LOCAL, as health checks send it': [proxyHeader2(0x20, 0x00, ''), PROXY],
  'version 2, LOCAL with an address that is nobody’s': [proxyHeader2(0x20, 0x11, V4), PROXY],
  'version 2, UNSPEC': [proxyHeader2(0x21, 0x00, 'ff ff'), PROXY],
  'version 2, unix sockets': [proxyHeader2(0x21, 0x31, Buffer.alloc(216, 0x61)), PROXY],
}

const bad: Record<string, Buffer> = {
  'no header': connectBytes(broker.credentials('ann')),
  'no header, but TLS': Buffer.from('160301', 'hex'),
  'version 1, no space': line('PROXYTCP4 203.0.113.7 198.51.100.1 4711 1883\r\n'),
  'version 1, a family of its own': line('PROXY TCP5 203.0.113.7 198.51.100.1 4711 1883\r\n'),
  'version 1, IPv6 called IPv4': line('PROXY TCP4 2001:db8::5 2001:db8::1 4711 1883\r\n'),
  'version 1, an octet of 999': line('PROXY TCP4 999.0.113.7 198.51.100.1 4711 1883\r\n'),
  'version 1, an octal octet': line('PROXY TCP4 0313.0.113.7 198.51.100.1 4711 1883\r\n'),
  'version 1, a port of 99999': line('PROXY TCP4 203.0.113.7 198.51.100.1 99999 1883\r\n'),
  'version 1, two spaces': line('PROXY TCP4  203.0.113.7 198.51.100.1 4711 1883\r\n'),
  'version 1, a bare line feed': line('PROXY TCP4 203.0.113.7 198.51.100.1 4711 1883\n'),
  'version 1, 108 bytes': line(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`),
  'version 1, without end': line(`PROXY TCP4 ${'1'.repeat(200)}`),
  'version 2, version 1 in its bits': proxyHeader2(0x11, 0x11, V4),
  'version 2, an unknown command': proxyHeader2(0x22, 0x11, V4),
  'version 2, an unknown family': proxyHeader2(0x21, 0x41, V4),
  'version 2, a datagram': proxyHeader2(0x21, 0x12, V4),
  'version 2, too short for IPv4': proxyHeader2(0x21, 0x11, V4.slice(0, -3)),
  'version 2, too short for IPv6': proxyHeader2(0x21, 0x21, V4),
  'version 2, too short for unix sockets': proxyHeader2(0x21, 0x31, V4),
  'version 2, 64 KiB announced': proxyHeader2(0x21, 0x11, Buffer.alloc(65_535)).subarray(0, 16),
}

for (const [name, [header, address, port]] of Object.entries(good)) {
  t.test(`a client behind a proxy is who the header says: ${name}`, async (t) => {
    const socket = await dial(t, broker.ports.mqtt, PROXY)
    const client = createRawClient(t, socket, 4)
    client.send(Buffer.concat([header, connectBytes(broker.credentials(name))]))
    t.match(await client.nextOf('connack'), { returnCode: 0 })
    t.match(await loginOf(name), { address, ...(port ? { port } : {}) })
    t.ok(await publishSos(client, 1), 'and its SOS is taken')
  })
}

t.test('a header may come in pieces, and what follows in its segment is not lost', async (t) => {
  for (const [name, header] of [
    ['slow 1', proxyHeader1('203.0.113.7')],
    ['slow 2', proxyHeader2(0x21, 0x11, `${V4} 04 00 02 aa bb`)],
  ] as const) {
    const socket = await dial(t, broker.ports.mqtt, PROXY)
    socket.setNoDelay(true)
    const client = createRawClient(t, socket, 4)
    for (let at = 0; at < header.length; at += 7) {
      await new Promise((resolve) => socket.write(header.subarray(at, at + 7), resolve))
      await readMetrics(broker) // an answer later: the piece has been read
    }
    client.send(
      Buffer.concat([connectBytes(broker.credentials(name)), publishBytes('sos/alerts', sosPayload())]),
    )
    t.match(await client.nextOf('connack'), { returnCode: 0 })
    t.match(await client.nextOf('puback'), { messageId: 1 })
    t.match(await loginOf(name), { address: '203.0.113.7' })
  }
})

t.test('a connection from a proxy without a header that can be read is closed unanswered', async (t) => {
  for (const [name, bytes] of Object.entries(bad)) {
    const socket = await dial(t, broker.ports.mqtt, PROXY)
    socket.write(bytes)
    t.equal(await untilClosed(socket), '', name)
  }
  t.match(await broker.logged(({ why }) => why === 'proxy-header'), {
    msg: 'connections refused before login',
    address: PROXY,
  })
})

t.test('from anywhere else a header is bytes like any other, and nobody believes it', async (t) => {
  for (const header of [proxyHeader1('203.0.113.66'), proxyHeader2(0x21, 0x11, V4)]) {
    const socket = await dial(t, broker.ports.mqtt, STRANGER)
    const { localPort } = socket
    socket.write(Buffer.concat([header, connectBytes(broker.credentials('liar'))]))
    t.equal(await untilClosed(socket), '')
    t.match(await broker.logged(({ address, port }) => address === STRANGER && port === localPort), {
      msg: 'connection ended: protocol violated',
    })
  }
  const socket = await dial(t, broker.ports.mqtt, STRANGER)
  const client = createRawClient(t, socket, 4)
  client.send(connectBytes(broker.credentials('honest')))
  t.match(await client.nextOf('connack'), { returnCode: 0 }, 'without one it is served')
  t.match(await loginOf('honest'), { address: STRANGER })
})

t.test('the header stands before TLS, HTTP and WebSocket too', async (t) => {
  const { mqtts, http, https } = broker.ports
  await t.test('MQTT over TLS', async (t) => {
    const client = createRawClient(t, await secure(t, mqtts, '203.0.113.21'), 4)
    client.send(connectBytes(broker.credentials('over tls')))
    t.match(await client.nextOf('connack'), { returnCode: 0 })
    t.match(await loginOf('over tls'), { address: '203.0.113.21', transport: 'tls' })
  })
  for (const [transport, port, address] of [
    ['ws', http, '203.0.113.22'],
    ['wss', https, '203.0.113.23'],
  ] as const) {
    await t.test(`MQTT over ${transport}`, async (t) => {
      const below = transport === 'ws' ? await plain(t, port, address) : await secure(t, port, address)
      const webSocket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt', {
        createConnection: () => below,
      })
      await once(webSocket, 'open')
      const client = createRawClient(t, createWebSocketStream(webSocket), 4)
      client.send(connectBytes(broker.credentials(`over ${transport}`)))
      t.match(await client.nextOf('connack'), { returnCode: 0 })
      t.match(await loginOf(`over ${transport}`), { address, transport })
    })
  }
  await t.test('HTTP', async (t) => {
    const socket = await plain(t, http, '203.0.113.24')
    socket.write('GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    t.match(await untilClosed(socket), /^HTTP\/1\.1 200 /)
  })
  await t.test('but TLS without a header is closed', async (t) => {
    const socket = await dial(t, mqtts, PROXY)
    connectTls({ socket }).on('error', () => {})
    t.equal(await untilClosed(socket), '')
  })
})

t.test('a proxy that sends nothing is closed for that, before it is for a missing CONNECT', async (t) => {
  t.equal(await untilClosed(silent), '')
  t.notOk(broker.log.some(({ port }) => port === silentPort))
  const refused = (await readMetrics(broker))('connect_broker_connections_refused_total', REASON)
  t.equal(refused, Object.keys(bad).length + 2, 'all the bad ones, TLS without a header, and this one')
})

t.test('PROXY_NETWORKS takes addresses and networks, and never everybody', async (t) => {
  const { readConfig } = await import('../../broker/config.js')
  t.strictSame(readConfig({ PROXY_NETWORKS: '10.0.0.0/8,2001:db8::/32 192.0.2.1' }).door.proxyNetworks, [
    '10.0.0.0/8',
    '2001:db8::/32',
    '192.0.2.1',
  ])
  for (const text of ['0.0.0.0/0', '::/0', '10.0.0.0/33', 'localhost', '10.0.0.0/8, x'])
    t.throws(() => readConfig({ PROXY_NETWORKS: text }), { message: /^PROXY_NETWORKS: / }, text)
})

async function plain(t: Test, port: number, address: string): Promise<Socket> {
  const socket = await dial(t, port, PROXY)
  socket.write(proxyHeader1(address))
  return socket
}

async function secure(t: Test, port: number, address: string): Promise<Socket> {
  const below = await plain(t, port, address)
  const socket = connectTls({ socket: below, ca: readFileSync(broker.caFile), servername: 'localhost' })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function loginOf(externalUserId: string): Promise<LogLine> {
  const { createUser } = await import('../../auth/identity.js')
  const { userId } = createUser({ appId: 'demo-app', externalUserId })
  return broker.logged((line) => line.msg === 'login' && line.userId === userId)
}

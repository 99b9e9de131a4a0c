import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { readConfig } from '../../broker/config.js'
import { startBroker } from '../support/broker.js'
import { dial, untilClosed } from '../support/proxied.js'
import { connectBytes, publishBytes } from '../support/wire-packets.js'

const PAGE = 'https://console.example.org'
const broker = await startBroker(t, { env: { WS_ORIGINS: PAGE, CONNECT_TIMEOUT_MS: '600000' } })
const { http, https } = broker.ports

for (const [origin, status] of [
  [undefined, 101],
  [PAGE, 101],
  ['http://x', 101], // the host that is asked, as clients without a browser write it
  ['https://x', 101],
  ['https://x:443', 101],
  ['http://x:8080', 403],
  ['https://evil.example.org', 403],
  [`${PAGE}.evil.example.org`, 403],
  [`${PAGE}:8443`, 403],
  ['http://console.example.org', 403],
  ['null', 403],
  ['', 403],
  ['file://', 403],
  ['x', 403],
] as const) {
  t.test(`a page from ${origin ?? 'nowhere'} is answered ${status}`, async (t) => {
    for (const path of ['/mqtt', '/ws'])
      t.equal(await statusOf(t, path, origin === undefined ? {} : { Origin: origin }), status)
  })
}

t.test('without WS_ORIGINS the pages of CORS_ORIGINS may, and without those none', async (t) => {
  t.strictSame(readConfig({ CORS_ORIGINS: PAGE }).webSocketOrigins, [PAGE])
  t.strictSame(readConfig({ CORS_ORIGINS: PAGE, WS_ORIGINS: 'https://a.example' }).webSocketOrigins, [
    'https://a.example',
  ])
  t.strictSame(readConfig({}).webSocketOrigins, [])
})

t.test('no path but /mqtt and /ws, in this spelling, is upgraded', async (t) => {
  for (const path of ['/mqtt?a=/ws', '/ws?']) t.equal(await statusOf(t, path), 101, path)
  for (const path of [
    '//mqtt',
    '/mqtt/',
    '/./mqtt',
    '/x/../mqtt',
    '/%6dqtt',
    '/mqtt%00',
    '/mqtt;x',
    '/MQTT',
    '/ws/',
    '/v1/sdk/me',
    '*',
    'http://x/mqtt',
    '/__proto__',
  ])
    t.equal(await statusOf(t, path), 404, path)
})

t.test('an upgrade that is none, or in another version, is refused', async (t) => {
  t.equal(await statusOf(t, '/mqtt', { 'Sec-WebSocket-Key': 'short' }), 400)
  t.equal(await statusOf(t, '/mqtt', { 'Sec-WebSocket-Version': '12' }), 400)
  t.equal(await statusOf(t, '/mqtt', { Upgrade: 'h2c' }), 400)
  t.equal(await statusOf(t, '/mqtt', { 'Sec-WebSocket-Protocol': '__proto__' }), 400)
})

t.test('compression that is offered is not taken, and a compressed frame ends the connection', async (t) => {
  const socket = await upgrade(t, {
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
  })
  t.notMatch(socket.answer, /extensions/i)
  socket.write(frame(connectBytes(broker.credentials('zip')), { first: 0xc2 }))
  t.equal(closeCodeOf(await untilClosed(socket)), 1002)
})

for (const [name, bytes, code] of [
  ['that is not masked', Buffer.from([0x82, 1, 0]), 1002],
  ['with a reserved opcode', frame(Buffer.alloc(1), { first: 0x83 }), 1002],
  ['that continues nothing', frame(Buffer.alloc(1), { first: 0x80 }), 1002],
  ['of control that is fragmented', frame(Buffer.alloc(1), { first: 0x09 }), 1002],
  ['of control with 126 bytes', frame(Buffer.alloc(126), { first: 0x89 }), 1002],
  ['of more than 64 KiB', Buffer.from('82ff000000000001000100000000', 'hex'), 1009],
  ['of 16 EiB', Buffer.from('82ffffffffffffffffff00000000', 'hex'), 1009],
  [
    'in 257 fragments',
    Buffer.concat(Array.from({ length: 257 }, (_, i) => frame(Buffer.alloc(1), { first: i ? 0 : 2 }))),
    1008,
  ],
] as const) {
  t.test(`a frame or message ${name} ends the connection with ${code}`, async (t) => {
    const socket = await upgrade(t)
    socket.write(bytes)
    t.equal(closeCodeOf(await untilClosed(socket)), code)
  })
}

for (const port of [http, https]) {
  const transport = port === http ? 'ws' : 'wss'
  t.test(
    `${transport}: before CONNECT no more is kept than a CONNECT may have, whole frame or not`,
    async (t) => {
      const unfinished = frame(Buffer.alloc(60_000)).subarray(0, 50_000)
      for (const bytes of [
        unfinished,
        Buffer.concat(Array.from({ length: 3 }, () => frame(Buffer.alloc(4_000, 0x10), { first: 0 }))),
      ]) {
        const socket = await upgrade(t, {}, port)
        socket.write(
          bytes[0] === 0 ? Buffer.concat([frame(Buffer.from([0x10]), { first: 2 }), bytes]) : bytes,
        )
        await untilClosed(socket)
        t.ok(socket.destroyed)
      }
    },
  )

  t.test(`${transport}: an SOS of 60 KB in the segment of its CONNECT is taken`, async (t) => {
    const socket = await upgrade(t, {}, port)
    const sos = JSON.stringify({ timestamp: '2026-05-01T10:00:00Z', message: 'x'.repeat(60_000) })
    socket.write(
      Buffer.concat([
        frame(connectBytes(broker.credentials('long'))),
        frame(publishBytes('sos/alerts', sos)),
      ]),
    )
    const received: Buffer[] = []
    while (!Buffer.concat(received).includes(Buffer.from('40020001', 'hex'))) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      received.push(chunk)
    }
    t.ok(received.length > 0, 'CONNACK and PUBACK')
  })
}

t.test('a client that pings and reads no answer is ended', async (t) => {
  const socket = await upgrade(t)
  socket.write(frame(connectBytes(broker.credentials('pinger'))))
  await once(socket, 'data')
  socket.pause()
  const pings = Buffer.concat(Array.from({ length: 500 }, () => frame(Buffer.alloc(125), { first: 0x89 })))
  let isClosed = false
  socket.once('close', () => (isClosed = true))
  // oxlint-disable-next-line no-unmodified-loop-condition -- the close listener ends it
  while (!isClosed) {
    socket.write(pings)
    await new Promise((resolve) => setImmediate(resolve))
    if (socket.writableNeedDrain)
      await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))
  }
  t.ok(socket.bytesWritten > 500 * 131)
  const next = new WebSocket(`ws://127.0.0.1:${http}/mqtt`, 'mqtt')
  await once(next, 'open')
  next.ping()
  await once(next, 'pong')
  next.terminate()
})

function requestBytes(path: string, headers: Record<string, string>): string {
  const all = {
    Host: 'x',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Protocol': 'mqtt',
    ...headers,
  }
  return `GET ${path} HTTP/1.1\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`
}

async function statusOf(t: Test, path: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = await dial(t, http)
  socket.write(requestBytes(path, headers))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return Number(answer.toString().slice(9, 12))
}

/** A socket that has been upgraded; `answer` is what the broker said. */
async function upgrade(
  t: Test,
  headers: Record<string, string> = {},
  port = http,
): Promise<Socket & { answer: string }> {
  let socket = await dial(t, port)
  if (port === https) {
    socket = connectTls({ socket, ca: readFileSync(broker.caFile), servername: 'localhost' })
    await once(socket, 'secureConnect')
    socket.on('error', () => {})
  }
  socket.write(requestBytes('/mqtt', headers))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (!answer.toString().startsWith('HTTP/1.1 101 ')) throw new Error(answer.toString())
  return Object.assign(socket, { answer: answer.toString() })
}

/** A masked frame by hand; the mask is zero. */
function frame(payload: Buffer, { first = 0x82 }: { first?: number } = {}): Buffer {
  const { length } = payload
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([first, ...size, 0, 0, 0, 0]), payload])
}

/** The code of the close frame that came last. */
function closeCodeOf(received: string): number {
  const bytes = Buffer.from(received, 'latin1')
  const at = bytes.lastIndexOf(0x88)
  return at === -1 ? 0 : bytes.readUInt16BE(at + 2)
}

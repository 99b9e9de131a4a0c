import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import mqttPacket from 'mqtt-packet'
import t from 'tap'
import type { Test } from 'tap'
import { createWebSocketStream, WebSocket } from 'ws'
import { startBroker } from '../../support/broker.js'
import { publishPacket, sosPayload } from '../../support/publishing.js'
import { createRawClient } from '../../support/raw-client.js'

const broker = await startBroker(t)
const address = `ws://127.0.0.1:${broker.ports.http}`

for (const [offered, answered] of [
  [['mqtt'], 'mqtt'],
  [['mqtt', 'mqttv5'], 'mqtt'],
  [['mqttv5', 'mqttv3.1', 'mqtt'], 'mqtt'],
  [['mqttv3.1'], 'mqttv3.1'],
  [['mqttv5'], 'mqttv5'],
  [['chat', 'mqtt'], 'mqtt'],
] as const) {
  t.test(`[MQTT-6.0.0-3] sub-protocols ${offered.join(', ')}: the answer is ${answered}`, async (t) => {
    for (const path of ['/mqtt', '/ws']) t.equal((await open(t, path, [...offered])).protocol, answered)
  })
}

t.test('[MQTT-6.0.0-3] no sub-protocol, or none of ours, is refused', async (t) => {
  t.equal(await refusedWith('/mqtt', []), 400)
  t.equal(await refusedWith('/ws', ['chat']), 400)
})

t.test('any other path is 404, for an upgrade and for a plain GET', async (t) => {
  for (const path of ['/', '/mqtt/', '/MQTT', '/ws/x', '/mqttx']) {
    t.equal(await refusedWith(path, ['mqtt']), 404, `upgrade ${path}`)
  }
  for (const path of ['/', '/mqttx']) {
    const [response] = (await once(get(`http://127.0.0.1:${broker.ports.http}${path}`), 'response')) as [
      IncomingMessage,
    ]
    response.resume()
    t.equal(response.statusCode, 404, `GET ${path}`)
  }
})

t.test('[MQTT-6.0.0-1] a text frame ends the connection', async (t) => {
  for (const isLoggedIn of [false, true]) {
    const socket = await open(t, '/mqtt', ['mqtt'])
    if (isLoggedIn) {
      socket.send(bytesOf(connectPacket('alice')))
      await once(socket, 'message')
    }
    socket.send('text')
    const [code] = (await once(socket, 'close')) as [number]
    t.equal(code, 1003, isLoggedIn ? 'after CONNECT' : 'before CONNECT')
  }
})

t.test('[MQTT-6.0.0-2] a packet may span frames, and a frame may hold several packets', async (t) => {
  const socket = await open(t, '/mqtt', ['mqtt'])
  const client = createRawClient(t, createWebSocketStream(socket), 4)
  for (const byte of bytesOf(connectPacket('bob'))) socket.send(Buffer.from([byte]))
  t.equal((await client.nextOf('connack')).returnCode, 0)

  const packets = [1, 2, 3, 4, 5].map((n) => bytesOf(publishPacket('sos/alerts', sosPayload(n), n)))
  const all = Buffer.concat(packets)
  const cut = packets[0]!.length + packets[1]!.length + 7
  socket.send(all.subarray(0, cut)) // two packets and a piece
  socket.send(Buffer.alloc(0))
  socket.send(all.subarray(cut))
  const acknowledged = []
  for (let n = 0; n < 5; n++) acknowledged.push((await client.nextOf('puback')).messageId)
  t.strictSame(acknowledged.toSorted(), [1, 2, 3, 4, 5])
})

t.test('a fragmented WebSocket message is one run of bytes', async (t) => {
  const socket = await open(t, '/mqtt', ['mqtt'])
  const client = createRawClient(t, createWebSocketStream(socket), 4)
  const bytes = bytesOf(connectPacket('carol'))
  socket.send(bytes.subarray(0, 5), { fin: false })
  socket.send(bytes.subarray(5, 30), { fin: false })
  socket.send(bytes.subarray(30), { fin: true })
  t.equal((await client.nextOf('connack')).returnCode, 0)
})

t.test('a frame larger than any packet ends the connection before it is kept', async (t) => {
  const socket = await open(t, '/mqtt', ['mqtt'])
  socket.on('error', () => {}) // the rest of the frame has nowhere to go
  socket.send(Buffer.alloc(70_000))
  const [code] = (await once(socket, 'close')) as [number]
  t.ok([1009, 1006].includes(code), `closed with ${code}`)
  t.ok(await open(t, '/mqtt', ['mqtt']), 'and the broker takes the next')
})

function connectPacket(name: string): mqttPacket.Packet {
  const { username, password } = broker.credentials(name)
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId: name,
    keepalive: 30,
    username,
    password: Buffer.from(password),
  }
}

function bytesOf(packet: mqttPacket.Packet): Buffer {
  return mqttPacket.generate(packet, { protocolVersion: 4 })
}

async function open(t: Test, path: string, subProtocols: string[]): Promise<WebSocket> {
  const socket = new WebSocket(address + path, subProtocols)
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

/** The HTTP status an upgrade is refused with. */
async function refusedWith(path: string, subProtocols: string[]): Promise<number | undefined> {
  const socket = new WebSocket(address + path, subProtocols)
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  response.resume()
  socket.terminate()
  return response.statusCode
}

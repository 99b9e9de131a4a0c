import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { createWebSocketStream, WebSocket } from 'ws'
import { createUser } from '../../auth/identity.js'
import { startBroker } from '../support/broker.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import { dial, untilClosed } from '../support/proxied.js'
import { createRawClient } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { readError, readUser } from '../support/sdk-reader.js'
import { connectBytes } from '../support/wire-packets.js'

const WRONG = 'f'.repeat(64)
const broker = await startBroker(t, {
  env: {
    PROXY_NETWORKS: '127.0.0.1, 10.0.0.0/8, 2001:db8:ffff::/48',
    LOGIN_FAILURES_PER_IDENTITY: '2',
    CONNECTIONS_PER_ADDRESS: '2',
  },
})
let users = 0

/** What `X-Forwarded-For` says, and the address that is meant. */
const walks: [header: string, address: string][] = [
  ['203.0.113.1', '203.0.113.1'],
  ['198.51.100.66, 203.0.113.2', '203.0.113.2'],
  ['198.51.100.66,203.0.113.3,10.1.1.1, 10.2.2.2', '203.0.113.3'],
  ['nonsense, 203.0.113.4', '203.0.113.4'],
  ['10.9.9.9, 203.0.113.5', '203.0.113.5'],
  ['203.0.113.6:4711', '203.0.113.6'],
  ['[2001:db8::6]:4711', '2001:db8::6'],
  ['2001:db8:0:7::6, 2001:db8:ffff::1', '2001:db8:0:7::6'],
  ['::ffff:203.0.113.8', '203.0.113.8'],
  ['10.3.3.3', '10.3.3.3'],
]

for (const [header, address] of walks) {
  t.test(`the first address from the right that is no proxy is the client: ${header}`, async (t) => {
    const client = await upgrade(t, header)
    const name = `walk ${users++}`
    client.send(connectBytes(broker.credentials(name)))
    t.match(await client.nextOf('connack'), { returnCode: 0 })
    const { userId } = createUser({ appId: 'demo-app', externalUserId: name })
    t.match(await broker.logged((line) => line.msg === 'login' && line.userId === userId), { address })
  })
}

t.test('failed logins are counted for the client, not for the proxy', async (t) => {
  const bad = createPhone(broker, { ...broker.credentials('eve'), password: WRONG })
  const good = createPhone(broker, broker.credentials('eve'))
  const from = (address: string) => ({ headers: { 'X-Forwarded-For': `192.0.2.99, ${address}` } })
  for (let i = 0; i < 2; i++) readError(await bad.get('/v1/sdk/me', from('203.0.113.30')), 401)
  readError(await good.get('/v1/sdk/me', from('203.0.113.30')), 429)
  t.equal(readUser(await good.get('/v1/sdk/me', from('203.0.113.31'))).external_user_id, 'eve')
})

t.test('a proxy that names nobody, or no address, gets nobody logged in', async (t) => {
  const phone = createPhone(broker, broker.credentials('ann'))
  for (const header of [
    undefined,
    '',
    ' ',
    'unknown',
    '203.0.113.1, ',
    '203.0.113.1, x',
    '1.2.3',
    '::g',
    '_hidden',
  ]) {
    const headers = { 'X-Forwarded-For': header }
    t.equal(readError(await phone.get('/v1/sdk/me', { headers }), 400).code, 'unknown_client', `${header}`)
    const backend = { headers: { ...backendHeaders(broker), ...headers } }
    readError(await send(broker, 'http', 'GET', '/v1/backend/incidents', backend), 400)
    t.equal(await refusedUpgrade(header), 503)
  }
  t.equal((await phone.get('/docs')).status, 200, 'what needs no identity, such as a health check, is served')
})

t.test('from anywhere else the header is an invention', async (t) => {
  const { appId, externalUserId } = broker.credentials('mal')
  const asks = (password: string, claimed: string) =>
    `GET /v1/sdk/me HTTP/1.1\r\nHost: x\r\nX-App-ID: ${appId}\r\nX-User-ID: ${externalUserId}\r\n` +
    `Authorization: Bearer ${password}\r\nX-Forwarded-For: ${claimed}\r\nConnection: close\r\n\r\n`
  const ask = async (text: string) => {
    const socket = await dial(t, broker.ports.http, '127.0.0.9')
    socket.write(text)
    return (await untilClosed(socket)).slice(0, 12)
  }
  // Loopback is exempt from the limit; somebody who is believed to be 203.0.113.40 would not be.
  for (let i = 0; i < 3; i++) t.equal(await ask(asks(WRONG, '203.0.113.40')), 'HTTP/1.1 401')
  t.equal(await ask(asks(broker.credentials('mal').password, '203.0.113.40')), 'HTTP/1.1 200')
})

t.test('connections behind a proxy are counted by client, IPv6 by its /64', async (t) => {
  for (const [first, second, third, neighbour] of [
    ['203.0.113.50', '203.0.113.50', '203.0.113.50', '203.0.113.51'],
    ['2001:db8:5::1', '2001:db8:5::2', '2001:db8:5:0:ffff::3', '2001:db8:5:1::1'],
  ] as const) {
    const clients = [await upgrade(t, first), await upgrade(t, second)]
    t.equal(await refusedUpgrade(third), 503)
    t.ok(await upgrade(t, neighbour))
    clients[0]?.socket.destroy()
    // Until the broker has seen it go.
    while ((await refusedUpgrade(third)) === 503);
  }
  t.match(await broker.logged(({ why }) => why === 'connections-address'), { address: '203.0.113.50' })
})

async function upgrade(t: Test, forwardedFor: string): Promise<RawClient> {
  const webSocket = open({ 'X-Forwarded-For': forwardedFor })
  t.teardown(() => webSocket.terminate())
  await once(webSocket, 'open')
  return createRawClient(t, createWebSocketStream(webSocket), 4)
}

/** The status an upgrade is refused with; 0 when it is not. */
async function refusedUpgrade(forwardedFor: string | undefined): Promise<number> {
  const webSocket = open(forwardedFor === undefined ? {} : { 'X-Forwarded-For': forwardedFor })
  webSocket.on('error', () => {})
  return new Promise((resolve) => {
    webSocket.on('open', () => {
      webSocket.terminate()
      resolve(0)
    })
    webSocket.on('unexpected-response', (_request, response: IncomingMessage) => {
      response.resume()
      webSocket.terminate()
      resolve(response.statusCode ?? 0)
    })
  })
}

function open(headers: Record<string, string>): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${broker.ports.http}/mqtt`, 'mqtt', { headers })
}

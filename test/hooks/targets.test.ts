import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { ensureSelfSigned } from '../../broker/certificate.js'
import { checkAddress, createCheckedLookup, isPublic } from '../../hooks/target.js'
import { connectPhone } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import {
  createWebhookApps,
  newSecret,
  startReceiver,
  WEBHOOK_ENV,
  webhookUntil,
} from '../support/webhook-receiver.js'

t.test('private, loopback and other special addresses are not public, in any spelling', async (t) => {
  const refused =
    `10.0.0.1 172.16.0.1 192.168.1.1 127.0.0.1 127.1.2.3 169.254.169.254 100.64.0.1 0.0.0.0 0.1.2.3
    192.0.0.1 192.0.2.1 198.18.0.1 224.0.0.1 255.255.255.255 127.1 0x7f000001 localhost
    :: ::1 fe80::1 fe80::1%eth0 fc00::1 fec0::1 ff02::1 2001:db8::1 100::1
    ::ffff:127.0.0.1 ::ffff:a00:1 ::127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::7f00:1 2002:7f00:1::
    2001::7f00:1`.split(/\s+/)
  t.equal(refused.length, 34)
  t.strictSame(refused.filter(isPublic), [])
  for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8'])
    t.ok(isPublic(address), address)
  t.throws(() => checkAddress('8.8.8.8', 'http:', () => false), /http: is for WEBHOOK_NETWORKS alone/)
  t.doesNotThrow(() => checkAddress('8.8.8.8', 'https:', () => false))
})

t.test('a name is resolved for the connection itself, and hands on nothing that is refused', async (t) => {
  const resolve = (protocol: string, isAllowed: (address: string) => boolean, all: boolean) =>
    new Promise<string>((done) =>
      createCheckedLookup(protocol, isAllowed)('localhost', { all }, (error, found) =>
        done(
          error
            ? error.message
            : typeof found === 'string'
              ? found
              : found.map(({ address }) => address).join(),
        ),
      ),
    )
  for (const all of [true, false]) {
    t.match(await resolve('https:', () => false, all), /private/)
    t.equal(await resolve('http:', (address) => address === '127.0.0.1', all), '127.0.0.1')
  }
})

t.test('by default no web hook reaches what only this machine can reach', async (t) => {
  let connections = 0
  const inner = createTcpServer(() => connections++).listen(0, '127.0.0.1')
  await once(inner, 'listening')
  t.teardown(() => inner.close())
  const { port } = inner.address() as AddressInfo
  const secrets = [newSecret()]
  const urls = [
    `http://127.0.0.1:${port}/`,
    `https://localhost:${port}/`,
    `http://0x7f.1:${port}/`,
    `http://[::ffff:127.0.0.1]:${port}/`,
  ]
  const { file } = createWebhookApps(
    t,
    urls.map((url, i) => ({ id: `hook-${i}`, url, secrets })),
  )
  const broker = await startBroker(t, { env: { WEBHOOK_RETRY_MS: '20', APPS_FILE: file } })
  for (const i of urls.keys()) await webhookUntil(broker, ({ state }) => state === 'delivering', `hook-${i}`)
  const phone = await connectPhone(t, broker, broker.credentials('alice', 'app-a'))
  await phone.report()
  for (const i of urls.keys()) {
    const { failure } = await webhookUntil(broker, ({ state }) => state === 'failing', `hook-${i}`)
    t.match(failure?.reason, /private and not in WEBHOOK_NETWORKS/, urls[i] as string)
  }
  t.equal(connections, 0)
})

t.test('where a network is allowed, redirects lead nowhere and TLS is checked', async (t) => {
  const receiver = await startReceiver(t)
  const elsewhere = await startReceiver(t)
  receiver.answer = ({ response }) => {
    response.setHeader('location', elsewhere.url)
    return 307
  }
  const { port } = new URL(receiver.url)
  const [stranger, known] = await Promise.all([startTlsReceiver(t), startTlsReceiver(t)])
  const secrets = [receiver.secret]
  const { file } = createWebhookApps(t, [
    { id: 'redirected', url: `http://localhost:${port}/`, secrets },
    { id: 'untrusted', url: `https://127.0.0.1:${stranger.port}/`, secrets },
    { id: 'trusted', url: `https://localhost:${known.port}/`, secrets },
  ])
  const env = { ...WEBHOOK_ENV, WEBHOOK_NETWORKS: '127.0.0.1', APPS_FILE: file }
  const broker = await startBroker(t, { env: { ...env, NODE_EXTRA_CA_CERTS: known.caFile } })
  for (const id of ['redirected', 'untrusted', 'trusted'])
    await webhookUntil(broker, ({ state }) => state === 'delivering', id)
  const phone = await connectPhone(t, broker, broker.credentials('alice', 'app-a'))
  await phone.report()
  const redirected = await webhookUntil(broker, ({ state }) => state === 'failing', 'redirected')
  t.equal(redirected.failure?.reason, '307: redirects are not followed')
  const untrusted = await webhookUntil(broker, ({ state }) => state === 'failing', 'untrusted')
  t.match(untrusted.failure?.reason, /SELF_SIGNED|ERR_TLS|UNABLE_TO_VERIFY/)
  await known.arrived
  t.equal(elsewhere.deliveries.length, 0)
  t.equal(stranger.requests(), 0)
})

/** A receiver with a certificate of its own; `arrived` resolves with the first request. */
async function startTlsReceiver(t: Test) {
  const { certFile, keyFile } = await ensureSelfSigned(temporaryDirectory(t))
  let requests = 0
  const server = createTlsServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile) },
    (_, response) => {
      requests++
      response.end()
    },
  ).listen(0, '127.0.0.1')
  const arrived = once(server, 'request')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port, caFile: certFile, requests: () => requests, arrived }
}

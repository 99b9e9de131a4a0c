import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import t from 'tap'
import { startBroker } from '../../support/broker.js'
import { publishSos } from '../../support/publishing.js'
import { createRawClient } from '../../support/raw-client.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const ca = readFileSync(broker.caFile)

for (const port of ['mqtts', 'https'] as const) {
  t.test(`${port}: TLS 1.0 and 1.1 are refused, 1.2 and 1.3 are spoken`, async (t) => {
    // Level 0 lets our own side offer what it has given up, so that the refusal is the broker's.
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const socket = dial(port, { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' })
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
      t.match(error.code, /ALERT_PROTOCOL_VERSION/, `${version}: refused by the broker`)
    }
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = dial(port, { minVersion: version, maxVersion: version })
      await once(socket, 'secureConnect')
      t.equal(socket.getProtocol(), version)
      t.equal(socket.authorized, true, 'the certificate is for this address')
      socket.destroy()
    }
  })
}

t.test('a TLS client with a certificate store of its own does not trust the self-signed pair', async (t) => {
  const socket = connect({ host: '127.0.0.1', port: broker.ports.mqtts })
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  t.match(error.code, /SELF_SIGNED/)
})

t.test('plain bytes on a TLS port are refused, and the next client is served', async (t) => {
  const { connect: connectPlain } = await import('node:net')
  const plain = connectPlain({ host: '127.0.0.1', port: broker.ports.mqtts })
  plain.on('error', () => {})
  plain.write(Buffer.from('101000044d5154540402001e00046e6f6e65', 'hex'))
  plain.resume()
  await once(plain, 'close')
  t.ok(await broker.logged(({ msg }) => msg === 'tls handshake failed'))

  const socket = dial('mqtts', {})
  await once(socket, 'secureConnect')
  const { username, password } = broker.credentials('alice')
  const client = createRawClient(t, socket, 4)
  client.sendPacket({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId: 'tls',
    keepalive: 30,
    username,
    password: Buffer.from(password),
  })
  t.equal((await client.nextOf('connack')).returnCode, 0)
  t.ok(await publishSos(client, 1))
})

function dial(port: 'mqtts' | 'https', options: ConnectionOptions): TLSSocket {
  const socket = connect({ host: '127.0.0.1', port: broker.ports[port], ca, ...options })
  t.teardown(() => socket.destroy())
  return socket
}

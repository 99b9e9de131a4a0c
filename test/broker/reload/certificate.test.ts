import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { startBroker, temporaryDirectory } from '../../support/broker.js'
import type { LogLine } from '../../support/broker.js'
import { createCertificate, writePair } from '../../support/certificates.js'
import type { Pair } from '../../support/certificates.js'
import { createRawClient } from '../../support/raw-client.js'
import type { RawClient } from '../../support/raw-client.js'

const SESSIONS = 200
const directory = temporaryDirectory(t)
const [first, second, third] = await Promise.all([1, 2, 3].map(() => createCertificate()))
const files = writePair(directory, first!)
const broker = await startBroker(t, { env: files })

t.test(
  `a certificate is replaced under ${SESSIONS} sessions: none drops, and whoever comes next sees the new one`,
  async (t) => {
    const sessions: RawClient[] = []
    // A few at a time, as handshakes are work.
    while (sessions.length < SESSIONS)
      sessions.push(
        ...(await Promise.all(
          Array.from({ length: 20 }, (_, i) => logIn(t, `user-${sessions.length + i}`, first!)),
        )),
      )
    t.equal(new Set(sessions.map(({ socket }) => serialOf(socket as TLSSocket))).size, 1)

    const taken = said('TLS certificate read again')
    writePair(directory, second!)
    t.match(await taken, { serialNumber: new X509Certificate(second!.cert).serialNumber })

    for (const port of ['mqtts', 'https'] as const)
      t.equal(serialOf(await dial(t, port, second!)), new X509Certificate(second!.cert).serialNumber, port)
    await logIn(t, 'newcomer', second!)
    for (const { sendPacket } of sessions) sendPacket({ cmd: 'pingreq' })
    const answers = await Promise.all(sessions.map((session) => session.next()))
    t.equal(answers.filter(({ cmd }) => cmd === 'pingresp').length, SESSIONS, 'every session still answers')
  },
)

t.test(
  'a pair that cannot be used keeps the one before, says so, and is followed by a good one',
  async (t) => {
    const serial = serialOf(await dial(t, 'mqtts', second!))
    const expired = await createCertificate({
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2021-01-01'),
    })
    const bad: [what: string, write: () => void, reason: RegExp][] = [
      ['no PEM', () => writeFileSync(files.TLS_CERT_FILE, 'half a certificate'), /no PEM certificate/],
      [
        'a key of another certificate',
        () => void writePair(directory, { cert: second!.cert, key: third!.key }),
        /TLS_KEY_FILE: is not the key of TLS_CERT_FILE/,
      ],
      ['one that has expired', () => void writePair(directory, expired), /TLS_CERT_FILE: has expired/],
    ]
    for (const [what, write, reason] of bad) {
      const refused = said('TLS certificate cannot be used; the one before stays', reason)
      write()
      broker.child.kill('SIGHUP')
      t.match(await refused, { level: 'error', certFile: files.TLS_CERT_FILE }, what)
      t.equal(serialOf(await dial(t, 'mqtts', second!)), serial, `${what}: the old one is shown`)
      t.equal(serialOf(await dial(t, 'https', second!)), serial)
    }
    const taken = said('TLS certificate read again')
    writePair(directory, third!)
    broker.child.kill('SIGHUP')
    await taken
    t.equal(serialOf(await dial(t, 'mqtts', third!)), new X509Certificate(third!.cert).serialNumber)
  },
)

/** The next line from here on with this message. */
function said(msg: string, reason = /(?:)/): Promise<LogLine> {
  const past = new Set(broker.log)
  return broker.logged((line) => !past.has(line) && line.msg === msg && reason.test(String(line.reason)))
}

async function dial(t: Test, port: 'mqtts' | 'https', { cert }: Pair): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: broker.ports[port], ca: cert })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

function serialOf(socket: TLSSocket): string {
  return socket.getPeerX509Certificate()?.serialNumber ?? 'none'
}

async function logIn(t: Test, externalUserId: string, pair: Pair): Promise<RawClient> {
  const { username, password } = broker.credentials(externalUserId)
  const client = createRawClient(t, await dial(t, 'mqtts', pair), 4)
  client.sendPacket({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId: externalUserId,
    keepalive: 300,
    username,
    password: Buffer.from(password),
  })
  const { returnCode } = await client.nextOf('connack')
  if (returnCode !== 0) throw new Error(`CONNACK ${returnCode}`)
  return client
}

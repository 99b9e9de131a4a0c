import { join } from 'node:path'
import t from 'tap'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import { codeOf, refusedConnack } from '../support/phone.js'
import type { Version } from '../support/phone.js'
import { writeApps } from '../support/stored.js'
import { signUser } from '../../auth/identity.js'

const SECRETS = { live: 'secret-of-demo', old: 'secret-before', next: 'secret-after', gone: 'secret-of-gone' }
const directory = temporaryDirectory(t)
writeApps(join(directory, 'apps.json'), [
  { appId: 'demo-app', secrets: [SECRETS.live] },
  { appId: 'rotating-app', secrets: [SECRETS.old, SECRETS.next] },
  { appId: 'disabled-app', secrets: [SECRETS.gone], disabled: true },
])
const broker = await startBroker(t, { dataDir: directory })
const { mqtt } = broker.ports
const hash = signUser(SECRETS.live, 'alice')

// What is wrong, username, password, reason code of 5.0, and what the log calls it.
const REFUSED = [
  ['a wrong hash', 'sdk:demo-app:alice', signUser('other secret', 'alice'), 0x87, 'wrong-hash'],
  ['the hash of another user', 'sdk:demo-app:alice', signUser(SECRETS.live, 'bob'), 0x87, 'wrong-hash'],
  ['Bearer before the hash', 'sdk:demo-app:alice', `Bearer ${hash}`, 0x87, 'wrong-hash'],
  ['an upper-case hash', 'sdk:demo-app:alice', hash.toUpperCase(), 0x87, 'wrong-hash'],
  ['an empty password', 'sdk:demo-app:alice', '', 0x87, 'wrong-hash'],
  ['no password', 'sdk:demo-app:alice', undefined, 0x87, 'wrong-hash'],
  ['the secret itself', 'sdk:demo-app:alice', SECRETS.live, 0x87, 'wrong-hash'],
  ['an unknown app', 'sdk:nowhere:alice', hash, 0x87, 'unknown-app'],
  ['a disabled app', 'sdk:disabled-app:alice', signUser(SECRETS.gone, 'alice'), 0x87, 'disabled-app'],
  ['the secret of another app', 'sdk:rotating-app:alice', hash, 0x87, 'wrong-hash'],
  ['a username without an app', 'alice', hash, 0x86, 'malformed-username'],
  ['a username of another kind', 'partner:demo-app:alice', hash, 0x86, 'malformed-username'],
  ['an upper-case SDK', 'SDK:demo-app:alice', hash, 0x86, 'malformed-username'],
  ['an empty app id', 'sdk::alice', hash, 0x86, 'malformed-username'],
  ['an empty user id', 'sdk:demo-app:', signUser(SECRETS.live, ''), 0x86, 'malformed-username'],
  ['no username', undefined, undefined, 0x86, 'malformed-username'],
] as const

for (const version of [3, 4, 5] as Version[]) {
  for (const [what, username, password, reasonCode, why] of REFUSED) {
    const code = version === 5 ? reasonCode : 5
    t.test(`contract 2: ${what} gets CONNACK ${code} and a closed socket, version ${version}`, async (t) => {
      const logged = broker.logged(
        (line) => line.msg === 'login refused' && line.why === why && line.version === version,
      )
      const connack = await refusedConnack(t, mqtt, {
        protocolVersion: version,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password: Buffer.from(password) }),
      })
      t.equal(codeOf(connack), code)
      t.equal(connack.sessionPresent, false)
      t.match(await logged, { why, transport: 'tcp', address: '127.0.0.1' })
    })
  }

  t.test(`contract 2: both live secrets of an app let its users in, version ${version}`, async (t) => {
    for (const secret of [SECRETS.old, SECRETS.next]) {
      const client = await logIn(t, mqtt, broker.credentials('alice', 'rotating-app', secret), {
        protocolVersion: version,
      })
      client.sendPacket({ cmd: 'pingreq' })
      t.equal((await client.next()).cmd, 'pingresp')
    }
  })
}

t.test(
  'a client that was refused hears nothing more, and what it sent behind its CONNECT is not read',
  async (t) => {
    const raw = await connectRaw(t, mqtt, 5)
    raw.sendPacket({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 5,
      clean: true,
      clientId: 'eager',
      keepalive: 30,
      username: 'sdk:demo-app:mallory',
      password: Buffer.from(hash),
    })
    raw.sendPacket({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: 'sos/events/mallory', qos: 1 }],
    })
    raw.sendPacket({
      cmd: 'publish',
      messageId: 2,
      topic: 'sos/alerts',
      payload: '{}',
      qos: 1,
      dup: false,
      retain: false,
    })
    t.same(
      (await raw.untilClosed()).map(({ cmd }) => cmd),
      ['connack'],
    )
  },
)

t.test(
  'design 4: the log says what integrators get wrong, and never holds a password or a secret',
  async (t) => {
    const hints = broker.log.flatMap(({ hint }) => (typeof hint === 'string' ? [hint] : []))
    for (const word of ['Bearer', 'lower case', 'no password', '64 hexadecimal'])
      t.ok(
        hints.some((hint) => hint.includes(word)),
        word,
      )
    const everything = JSON.stringify(broker.log)
    for (const [what, , password] of REFUSED)
      if (password) t.notOk(everything.toLowerCase().includes(password.toLowerCase()), what)
    for (const secret of Object.values(SECRETS)) {
      t.notOk(everything.includes(secret), 'a secret')
      t.notOk(everything.includes(signUser(secret, 'alice')), 'the right hash')
    }
  },
)

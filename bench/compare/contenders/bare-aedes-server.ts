// A program: bare Aedes with the broker's own check of identity and topics, and nothing stored. Takes a secret, the
// ports for tcp and tls, and the directory of the certificate.
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Aedes } from 'aedes'
import type { Client } from 'aedes'
import { createUser, findSecret, readUsername } from '../../../auth/identity.js'
import { readPublishTopic, readTopicFilter } from '../../../auth/topics.js'
import { ensureSelfSigned, readCertificate } from '../../../broker/certificate.js'
import type { User } from '../../../store/user.js'

const [secret = '', tcpPort, tlsPort, directory = ''] = process.argv.slice(2)
const app = { appId: 'demo-app', secrets: [secret], disabled: false }
const users = new WeakMap<Client, User>()

const aedes = await Aedes.createBroker({
  authenticate(client, username, password, done) {
    const name = readUsername(username)
    if (!name || findSecret(app, name.externalUserId, password) === null) return done(null, false)
    users.set(client, createUser(name))
    done(null, true)
  },
  authorizePublish(client, { topic }, done) {
    const user = client && users.get(client)
    done(
      user && readPublishTopic(user, topic).is !== 'refused' ? null : new Error('not a topic of this user'),
    )
  },
  authorizeSubscribe(client, subscription, done) {
    const user = client && users.get(client)
    done(null, user && readTopicFilter(user, subscription.topic).is === 'events' ? subscription : null)
  },
})
const certificate = readCertificate(await ensureSelfSigned(directory))
await listen(createServer({ noDelay: true }, aedes.handle), Number(tcpPort))
await listen(createTlsServer({ ...certificate, noDelay: true }, aedes.handle), Number(tlsPort))
process.stdout.write('ready\n')
process.on('SIGTERM', () => process.exit(0))

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve) => server.listen({ port, host: '127.0.0.1', backlog: 4_096 }, resolve))
}

import t from 'tap'
import type { Test } from 'tap'
import { withBothStores } from '../support/both-stores.js'
import { startBroker } from '../support/broker.js'
import type { Broker, Credentials } from '../support/broker.js'
import { createPhone } from '../support/http.js'
import type { HttpAnswer } from '../support/http.js'
import { connectRaw } from '../support/raw-client.js'
import { readError, readUser } from '../support/sdk-reader.js'

const WRONG = 'f'.repeat(64)
const FAILURES = 3
const ACCEPTED = 0
const NOT_AUTHORIZED = 0x87
const CONNECTION_RATE_EXCEEDED = 0x9f

t.test('too many failed logins', (t) =>
  withBothStores(
    t,
    async (t, { broker }) => {
      t.test('contract 9: after too many failures over HTTP even the right hash is 429', async (t) => {
        const user = broker.credentials('ann')
        for (let i = 0; i < FAILURES; i++) readError(await overHttp(broker, user, WRONG), 401)
        for (const path of ['/v1/sdk/me', '/v1/sdk/sos']) {
          const answer = await createPhone(broker, user).get(path)
          t.equal(readError(answer, 429).code, 'too_many_requests')
          t.notOk('retry-after' in answer.headers, 'no client honours Retry-After')
        }
      })

      t.test('failures over HTTP are counted for MQTT too', async (t) => {
        const user = broker.credentials('bo')
        for (let i = 0; i < FAILURES; i++) readError(await overHttp(broker, user, WRONG), 401)
        t.equal(await overMqtt(t, broker, user), CONNECTION_RATE_EXCEEDED)
      })

      t.test('failures over MQTT are counted for HTTP too', async (t) => {
        const user = broker.credentials('cy')
        for (let i = 0; i < FAILURES; i++) t.equal(await overMqtt(t, broker, user, WRONG), NOT_AUTHORIZED)
        readError(await overHttp(broker, user), 429)
      })

      t.test('failures of both ways add up, and one below the limit harms nobody', async (t) => {
        const user = broker.credentials('di')
        for (let i = 0; i < FAILURES - 2; i++) readError(await overHttp(broker, user, WRONG), 401)
        t.equal(await overMqtt(t, broker, user, WRONG), NOT_AUTHORIZED)
        t.equal(readUser(await overHttp(broker, user)).external_user_id, 'di')
        t.equal(await overMqtt(t, broker, user), ACCEPTED)
        t.equal(await overMqtt(t, broker, user, WRONG), NOT_AUTHORIZED)
        const stranger = broker.credentials('dia')
        for (const way of ['HTTP', 'MQTT', 'HTTP'] as const) {
          if (way === 'HTTP') readError(await overHttp(broker, stranger, WRONG), 401)
          else t.equal(await overMqtt(t, broker, stranger, WRONG), NOT_AUTHORIZED)
        }
        readError(await overHttp(broker, stranger), 429)
        t.equal(await overMqtt(t, broker, stranger), CONNECTION_RATE_EXCEEDED)
      })

      t.test('who has logged in from the address before, either way, is not locked out there', async (t) => {
        const user = broker.credentials('gus')
        t.equal(await overMqtt(t, broker, user), ACCEPTED)
        for (let i = 0; i <= FAILURES; i++) readError(await overHttp(broker, user, WRONG), 401)
        t.equal(readUser(await overHttp(broker, user)).external_user_id, 'gus')
      })

      t.test('another identity from the same address is not locked out', async (t) => {
        const user = broker.credentials('ed')
        for (let i = 0; i <= FAILURES; i++) await overHttp(broker, user, WRONG)
        readError(await overHttp(broker, user), 429)
        for (const neighbour of ['ED', 'ed:x', 'e'].map((id) => broker.credentials(id))) {
          t.equal(readUser(await overHttp(broker, neighbour)).external_user_id, neighbour.externalUserId)
          t.equal(await overMqtt(t, broker, neighbour), ACCEPTED)
        }
      })

      t.test('requests with headers that name nobody are limited among themselves', async (t) => {
        const phone = createPhone(broker, broker.credentials('fe'))
        const headers = { 'X-User-ID': undefined }
        for (let i = 0; i < FAILURES; i++) readError(await phone.get('/v1/sdk/me', { headers }), 401)
        readError(await phone.get('/v1/sdk/me', { headers }), 429)
        t.equal(readUser(await phone.get('/v1/sdk/me')).external_user_id, 'fe')
      })
    },
    { LIMIT_LOOPBACK: 'true', LOGIN_FAILURES_PER_IDENTITY: String(FAILURES) },
  ),
)

t.test('too many failures of all identities together are 429 for everyone at the address', async (t) => {
  const env = { LIMIT_LOOPBACK: 'true', LOGIN_FAILURES_PER_ADDRESS: '5' }
  const broker = await startBroker(t, { env })
  for (let i = 0; i < 5; i++) readError(await overHttp(broker, broker.credentials(`user ${i}`), WRONG), 401)
  t.equal(readError(await overHttp(broker, broker.credentials('innocent')), 429).code, 'too_many_requests')
})

t.test('loopback is exempt unless LIMIT_LOOPBACK says otherwise', async (t) => {
  const broker = await startBroker(t, { env: { LOGIN_FAILURES_PER_IDENTITY: '1' } })
  const user = broker.credentials('local')
  for (let i = 0; i < 3; i++) readError(await overHttp(broker, user, WRONG), 401)
  t.equal(readUser(await overHttp(broker, user)).external_user_id, 'local')
})

function overHttp(broker: Broker, user: Credentials, password = user.password): Promise<HttpAnswer> {
  return createPhone(broker, { ...user, password }).get('/v1/sdk/me')
}

/** The reason code of the CONNACK. */
async function overMqtt(t: Test, broker: Broker, user: Credentials, password = user.password) {
  const client = await connectRaw(t, broker.ports.mqtt, 5)
  client.sendPacket({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 5,
    clean: true,
    clientId: 'raw',
    keepalive: 30,
    username: user.username,
    password: Buffer.from(password),
  })
  const { reasonCode } = await client.nextOf('connack')
  client.socket.destroy()
  return reasonCode
}

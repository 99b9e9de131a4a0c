import t from 'tap'
import { startBroker } from '../support/broker.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import { codeOf, connectPhone, refusedConnack } from '../support/phone.js'
import { dial, untilClosed } from '../support/proxied.js'
import { readDevice, readError, readIncident, readUser } from '../support/sdk-reader.js'

const broker = await startBroker(t)
const backend = { headers: backendHeaders(broker) }
const ann = createPhone(broker, broker.credentials('ann'))
const WRONG = 'f'.repeat(64)

for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf']) {
  t.test(`${name} is a name like any other, wherever an id may stand`, async (t) => {
    const user = broker.credentials(name)
    await t.test('as an app', async (t) => {
      for (const password of [WRONG, user.password]) {
        const connack = await refusedConnack(t, broker.ports.mqtt, {
          protocolVersion: 5,
          username: `sdk:${name}:ann`,
          password: Buffer.from(password),
        })
        t.equal(codeOf(connack), 0x87)
        readError(await createPhone(broker, { ...user, appId: name, password }).get('/v1/sdk/me'), 401)
      }
      const Authorization = `Basic ${Buffer.from(`${name}:${name}`).toString('base64')}`
      const answer = await send(broker, 'http', 'GET', '/v1/backend/incidents', {
        headers: { Authorization },
      })
      readError(answer, 401)
    })

    await t.test('as a user, in topics, headers and paths', async (t) => {
      const phone = await connectPhone(t, broker.ports.mqtt, user)
      t.same(await phone.subscribe(phone.externalTopic, phone.uuidTopic), [1, 1])
      t.equal(
        await phone.publish(`sos/alerts/${name}`, { timestamp: '2026-05-01T10:00:00.000Z', [name]: name }),
        0,
      )
      t.equal((await phone.nextEvent()).event.type, 'processed')
      t.equal(await phone.publish(`tel/${name}/data`, `{"latitude":1,"longitude":2,"${name}":{"x":1}}`), 0)
      const http = createPhone(broker, user)
      t.equal(readUser(await http.get('/v1/sdk/me')).external_user_id, name)
      const { id } = readIncident(await http.get('/v1/sdk/sos'))
      const seen = await send(broker, 'http', 'GET', `/v1/backend/users/${name}`, backend)
      t.match(seen.json, { user: { external_user_id: name } })
      t.equal(readIncident(await http.post('/v1/sdk/sos/cancel')).id, id)

      const other = await connectPhone(t, broker.ports.mqtt, broker.credentials('ann'))
      t.same(await other.subscribe(`sos/events/${name}`), [0x87], 'and it is nobody else')
      t.equal(await other.publish(`sos/alerts/${name}`, { timestamp: '2026-05-01T10:00:00.000Z' }), 0x87)
      t.equal((await ann.get('/v1/sdk/sos')).text, '{"incident":null}')
    })

    await t.test('as an id of something that is not there', async (t) => {
      for (const answer of [
        await ann.delete(`/v1/sdk/contacts/${name}`),
        await ann.put(`/v1/sdk/contacts/${name}`, { name: 'x', phone: '1', email: '', priority: 1 }),
        await ann.delete(`/v1/sdk/devices/${name}`),
        await ann.get(`/v1/sdk/${name}`),
        await send(broker, 'http', 'GET', `/v1/backend/incidents/${name}`, backend),
        await send(broker, 'http', 'POST', `/v1/backend/incidents/${name}/acknowledge`, backend),
        await send(broker, 'http', 'GET', `/v1/backend/${name}`, backend),
        await send(broker, 'http', 'GET', `/${name}`),
      ])
        readError(answer, 404)
      readError(await ann.put('/v1/sdk/contacts/reorder', { order: [name] }), 404)
      readError(await ann.get(`/v1/sdk/sos/history?cursor=${name}`), 400)
      readError(await ann.post('/v1/sdk/sos', { timestamp: '2026-05-01T10:00:00Z', deviceId: name }), 422)
      readError(await ann.post('/v1/sdk/sos/cancel', { deviceId: name }), 422)
      t.equal((await ann.get(`/v1/sdk/sos/history?${name}=1&${name}[x]=1`)).status, 200)
      t.equal((await ann.get('/v1/sdk/me', { headers: { [name]: name } })).status, 200)
    })

    await t.test('as a device', async (t) => {
      const device = readDevice(await ann.post('/v1/sdk/devices', { ...DEVICE, hardware_id: name }))
      t.equal(device.hardware_id, name)
      t.equal((await ann.delete(`/v1/sdk/devices/${device.id}`)).status, 204)
    })
  })
}

const DEVICE = { firmware_version: '1', hardware_model: 'm', paired_at: '2026-05-01T10:00:00Z' }

t.test(
  'nothing of it has rubbed off: nobody has a contact, a device or an alarm that he did not make',
  async (t) => {
    const eve = createPhone(broker, broker.credentials('eve'))
    t.equal((await eve.get('/v1/sdk/contacts')).text, '{"contacts":[]}')
    t.equal((await eve.get('/v1/sdk/devices')).text, '{"devices":[]}')
    t.equal((await eve.get('/v1/sdk/sos')).text, '{"incident":null}')
  },
)

/** Every way to write a path that some server would take for /v1/sdk/me; sent as it stands here. */
const paths: [path: string, status: number][] = [
  ['//v1/sdk/me', 200], // contract, section 9
  ['/v1//sdk/me', 404],
  ['/v1/sdk//me', 404],
  ['/v1/sdk/me/', 404],
  ['/v1/sdk/me//', 404],
  ['/v1/sdk/./me', 404],
  ['/v1/sdk/x/../me', 404],
  ['/v1/sdk/contacts/../me', 404],
  ['/v1/sdk/contacts/..%2fme', 404],
  ['/v1/sdk/contacts/%2e%2e/me', 404],
  ['/v1/backend/../sdk/me', 404],
  ['/docs/../v1/sdk/me', 404],
  ['/docs/..%2fv1/sdk/me', 404],
  ['/v1%2fsdk%2fme', 404],
  ['/v1/sdk%2fme', 404],
  ['/v1/sdk/me%00', 404],
  ['/v1/sdk/me%00.css', 404],
  ['/v1/sdk/me;x=1', 404],
  ['/v1/sdk/me%3fx', 404],
  ['/v1/sdk\\me', 404],
  ['/v1/sdk/%5cme', 404],
  ['/V1/SDK/ME', 404],
  ['/v1/sdk/me%20', 404],
  ['/v1/sdk/%c0%ae%c0%ae/me', 404],
  ['/v1/sdk/%ff', 404],
  ['/v1/sdk/%', 404],
  ['v1/sdk/me', 400],
  ['*', 404],
]

t.test('a path has one spelling, besides leading slashes', async (t) => {
  const { appId, externalUserId, password } = broker.credentials('ann')
  for (const [path, status] of paths) {
    const socket = await dial(t, broker.ports.http)
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-App-ID: ${appId}\r\n` +
        `X-User-ID: ${externalUserId}\r\nAuthorization: Bearer ${password}\r\n\r\n`,
    )
    t.equal((await untilClosed(socket)).slice(9, 12), String(status), path)
  }
})

t.test('JSON of any depth is answered, and the broker lives on', async (t) => {
  const nested = (open: string, close: string) => Buffer.from(open.repeat(16_000) + close.repeat(16_000))
  for (const body of [
    nested('[', ']'),
    Buffer.from('{"a":'.repeat(12_000)),
    Buffer.from(`{"name":${'['.repeat(30_000)}`),
  ]) {
    for (const [method, path] of [
      ['put', 'me'],
      ['post', 'contacts'],
      ['put', 'contacts/reorder'],
      ['post', 'devices'],
      ['post', 'sos/cancel'],
    ] as const)
      readError(await ann[method](`/v1/sdk/${path}`, body), 400)
  }
  const deep = `{"latitude":1,"longitude":2,"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
  readError(await ann.post('/v1/sdk/telemetry', Buffer.from(deep)), 400)
  const name = `{"name":"Ann","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
  t.equal(readUser(await ann.put('/v1/sdk/me', Buffer.from(name))).name, 'Ann', 'a field nobody asked for')
  const phone = await connectPhone(t, broker.ports.mqtt, broker.credentials('deep'))
  t.equal(await phone.publish('tel/data', deep), 0x99)
  t.equal(await phone.publish('sos/alerts', deep), 0, 'an SOS is raised all the same')
})

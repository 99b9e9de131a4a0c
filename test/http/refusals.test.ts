import t from 'tap'
import { withBothStores } from '../support/both-stores.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import { readContact, readError, readIncident, readUser } from '../support/sdk-reader.js'

const SECRET = 'hunter2'
const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

t.test('what HTTP refuses', (t) =>
  withBothStores(t, async (t, { broker }) => {
    const phone = createPhone(broker, broker.credentials('ann'))

    t.test('a body of 64 KiB is read and one byte more is 413', async (t) => {
      const body = (bytes: number) => Buffer.from('{"name":"Ann"}'.padEnd(bytes))
      t.equal(readUser(await phone.put('/v1/sdk/me', body(65_536))).name, 'Ann')
      for (const headers of [{}, { 'Content-Length': undefined }]) {
        const { code } = readError(await phone.put('/v1/sdk/me', body(65_537), { headers }), 413)
        t.equal(code, 'payload_too_large')
      }
      for (const path of ['sos', 'sos/cancel', 'telemetry', 'devices', 'contacts'])
        t.equal(readError(await phone.post(`/v1/sdk/${path}`, body(65_537)), 413).code, 'payload_too_large')
      t.equal((await phone.get('/v1/sdk/sos')).text, '{"incident":null}', 'nothing was raised')
    })

    t.test('a body that is named anything but JSON is 415', async (t) => {
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/jsonx',
        'nonsense',
      ]) {
        const headers = { 'Content-Type': type }
        const refusal = readError(await phone.put('/v1/sdk/me', { name: 'no' }, { headers }), 415)
        t.equal(refusal.code, 'unsupported_media_type', type)
      }
      const headers = { 'Content-Type': 'application/json; charset=utf-8' }
      t.equal(readUser(await phone.put('/v1/sdk/me', { name: 'Ann' }, { headers })).name, 'Ann')
    })

    t.test('a body that is no JSON object is 400 and says why', async (t) => {
      for (const [path, method] of [
        ['me', 'put'],
        ['devices', 'post'],
        ['contacts', 'post'],
        ['contacts/reorder', 'put'],
        [`contacts/${UNKNOWN_ID}`, 'put'],
        ['sos/cancel', 'post'],
      ] as const) {
        for (const text of ['{"name":', 'name=Ann', '[]', '"text"', '7']) {
          const { code, message } = readError(await phone[method](`/v1/sdk/${path}`, Buffer.from(text)), 400)
          t.equal(code, 'invalid_payload')
          t.match(message, /^body: /)
        }
      }
      for (const path of ['devices', 'contacts'])
        t.match(
          readError(await phone.post(`/v1/sdk/${path}`), 400).message,
          /^body: /,
          'an empty one neither',
        )
    })

    t.test('contract 9: leading slashes are collapsed, so the SDK’s staging URL works', async (t) => {
      for (const slashes of ['//', '///'])
        t.equal(readUser(await phone.get(`${slashes}v1/sdk/me`)).external_user_id, 'ann')
      t.equal((await phone.get('//v1/sdk/sos/history?limit=1')).status, 200)
      t.equal(readIncident(await phone.post('//v1/sdk/sos', Buffer.alloc(0))).state, 'active')
      t.equal(readIncident(await phone.post('//v1/sdk/sos/cancel')).state, 'cancelled')
      readError(await send(broker, 'http', 'GET', '//v1/sdk/me'), 401)
    })

    t.test('unknown paths and methods are 404 in the envelope', async (t) => {
      const calls = [
        await phone.get('/'),
        await phone.get('/v1'),
        await phone.get('/v1/sdk'),
        await phone.get('/v1/sdk/sos/none'),
        await phone.get('/v2/sdk/me'),
        await phone.post('/v1/sdk/me', {}),
        await phone.put('/v1/sdk/sos', {}),
        await phone.delete('/v1/sdk/sos'),
        await phone.get('/__proto__'),
        await phone.get('/v1/sdk/sos/../../../etc/passwd'),
        await send(broker, 'http', 'OPTIONS', '/v1/sdk/me'),
      ]
      for (const answer of calls) t.equal(readError(answer, 404).code, 'not_found')
    })

    t.test('a path that cannot be decoded or is too long is refused in the envelope', async (t) => {
      for (const id of ['%zz', '%E0%A4%A', 'x'.repeat(2_000)]) {
        const answer = await phone.delete(`/v1/sdk/contacts/${id}`)
        t.ok(answer.status >= 400 && answer.status < 500, `${answer.status}`)
        t.doesNotThrow(() => readError(answer, answer.status))
        t.notOk(answer.text.includes(id), 'and it is not repeated')
      }
    })

    t.test('JSON keys of JavaScript’s own objects change nothing', async (t) => {
      const keys =
        '"__proto__":{"priority":9,"email":"p@x.org","isAdmin":true},"constructor":{"prototype":{"x":1}}'
      const contact = readContact(
        await phone.post('/v1/sdk/contacts', Buffer.from(`{"name":"Marta",${keys}}`)),
        201,
      )
      t.match(contact, { name: 'Marta', email: '', priority: 1 })
      t.equal(
        (await phone.post('/v1/sdk/telemetry', Buffer.from(`{"latitude":1,"longitude":2,${keys}}`))).text,
        '{}',
      )
      const report = `{"timestamp":"2026-05-01T10:00:00Z",${keys},"toString":"x","hasOwnProperty":1}`
      const { id } = readIncident(await phone.post('/v1/sdk/sos', Buffer.from(report)))
      t.match(readIncident(await phone.post('/v1/sdk/sos/cancel', Buffer.from(`{${keys}}`))), {
        id,
        state: 'cancelled',
      })
      readError(await phone.post('/v1/sdk/contacts', Buffer.from('{"__proto__":{"name":"Marta"}}')), 400)
      t.equal((await phone.get('/v1/sdk/sos/history?__proto__[limit]=0&constructor=1')).status, 200)
    })

    t.test('a refusal names the field and never repeats what was sent', async (t) => {
      const type = { headers: { 'Content-Type': `${SECRET}/json` } }
      const refused: [string | null, Promise<{ status: number; text: string }>][] = [
        ['phone', phone.put('/v1/sdk/me', { phone: SECRET })],
        ['name', phone.put('/v1/sdk/me', { name: { [SECRET]: SECRET } })],
        ['address', phone.put('/v1/sdk/me', { address: SECRET.repeat(40) })],
        ['priority', phone.post('/v1/sdk/contacts', { name: 'x', priority: SECRET })],
        ['order.0', phone.put('/v1/sdk/contacts/reorder', { order: [{ [SECRET]: 1 }] })],
        [null, phone.put('/v1/sdk/contacts/reorder', { order: [SECRET] })],
        ['hardware_id', phone.post('/v1/sdk/devices', { hardware_id: `${SECRET}\u0000` })],
        ['deviceId', phone.post('/v1/sdk/sos', { deviceId: SECRET })],
        ['deviceId', phone.post('/v1/sdk/sos/cancel', { deviceId: SECRET })],
        ['limit', phone.get(`/v1/sdk/sos/history?limit=${SECRET}`)],
        ['cursor', phone.get(`/v1/sdk/sos/history?cursor=${SECRET}`)],
        ['body', phone.put('/v1/sdk/me', Buffer.from(`{"name":"${SECRET}`))],
        ['body', phone.put('/v1/sdk/me', Buffer.from(`"${SECRET}"`))],
        [null, phone.put('/v1/sdk/me', {}, type)],
        [null, phone.post('/v1/sdk/telemetry', { latitude: SECRET })],
        [null, phone.get(`/v1/sdk/${SECRET}`)],
        [null, phone.get('/v1/sdk/me', { headers: { Authorization: `Bearer ${SECRET}` } })],
        [null, phone.delete(`/v1/sdk/devices/${SECRET}`)],
      ]
      for (const [field, call] of refused) {
        const answer = await call
        t.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.text}`)
        t.notOk(answer.text.includes(SECRET), answer.text)
        if (field) t.match(answer.text, new RegExp(`"message":"${field}: `))
      }
      t.notOk(JSON.stringify(broker.log).includes(SECRET), 'nor is it in the log')
    })

    t.test('the backend’s surface refuses a user’s identity, and the SDK’s a backend’s', async (t) => {
      readError(await phone.get('/v1/backend/incidents'), 401)
      const answer = await send(broker, 'http', 'GET', '/v1/sdk/me', { headers: backendHeaders(broker) })
      t.equal(readError(answer, 401).code, 'unauthorized')
    })
  }),
)

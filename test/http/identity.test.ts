import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHmac } from 'node:crypto'
import t from 'tap'
import { withBothStores } from '../support/both-stores.js'
import { temporaryDirectory } from '../support/broker.js'
import { createPhone, send, sdkHeaders } from '../support/http.js'
import { readContact, readError, readIncident, readNothing, readUser } from '../support/sdk-reader.js'

const APPS = [
  { appId: 'demo-app', secrets: ['old secret', 'ñew secret'] },
  { appId: 'other-app', secrets: ['another secret'] },
  { appId: 'closed-app', secrets: ['closed secret'], disabled: true },
]
const sign = (secret: string, message: string) => createHmac('sha256', secret).update(message).digest('hex')
const ann = { appId: 'demo-app', externalUserId: 'ann', password: sign('old secret', 'ann') }

const appsFile = join(temporaryDirectory(t), 'apps.json')
writeFileSync(appsFile, JSON.stringify({ apps: APPS }))

t.test('identity over HTTP', (t) =>
  withBothStores(
    t,
    async (t, { broker }) => {
      t.test('contract 2: the hash under either live secret is the user’s', async (t) => {
        const ids = []
        for (const secret of ['old secret', 'ñew secret']) {
          const phone = createPhone(broker, { ...ann, password: sign(secret, 'ann') })
          ids.push(readUser(await phone.get('/v1/sdk/me')).id)
        }
        t.equal(ids[0], ids[1])
      })

      for (const externalUserId of [
        'usuario ñ',
        '用户-42',
        '😀',
        'a:b:c',
        'a/b//c',
        '__proto__',
        'constructor',
        '100%',
        '+',
        '#',
        'x'.repeat(244),
      ]) {
        t.test(`contract 2: an external id may be ${externalUserId.slice(0, 20)}`, async (t) => {
          const password = sign('old secret', externalUserId)
          const phone = createPhone(broker, { ...ann, externalUserId, password })
          t.equal(readUser(await phone.get('/v1/sdk/me')).external_user_id, externalUserId)
          await phone.put('/v1/sdk/me', { name: 'somebody' })
          t.equal(readUser(await phone.get('/v1/sdk/me')).name, 'somebody')
          t.equal(readIncident(await phone.post('/v1/sdk/sos', Buffer.alloc(0))).state, 'active')
        })
      }

      const wrong: Record<string, Record<string, string | undefined>> = {
        'no X-App-ID': { 'X-App-ID': undefined },
        'an empty X-App-ID': { 'X-App-ID': '' },
        'an unknown app': { 'X-App-ID': 'no-such-app' },
        'an app named __proto__': { 'X-App-ID': '__proto__' },
        'the app of somebody else': { 'X-App-ID': 'other-app' },
        'a disabled app': {
          'X-App-ID': 'closed-app',
          Authorization: `Bearer ${sign('closed secret', 'ann')}`,
        },
        'no X-User-ID': { 'X-User-ID': undefined },
        'an empty X-User-ID': { 'X-User-ID': '' },
        'another X-User-ID': { 'X-User-ID': 'bob' },
        'an X-User-ID of 256 bytes': {
          'X-User-ID': 'x'.repeat(245),
          Authorization: `Bearer ${sign('old secret', 'x'.repeat(245))}`,
        },
        'no Authorization': { Authorization: undefined },
        'an empty Authorization': { Authorization: '' },
        'a hash without Bearer': { Authorization: ann.password },
        'an upper-case hash': { Authorization: `Bearer ${ann.password.toUpperCase()}` },
        'half a hash': { Authorization: `Bearer ${ann.password.slice(0, 32)}` },
        'a hash and more': { Authorization: `Bearer ${ann.password}00` },
        'the hash of a wrong secret': { Authorization: `Bearer ${sign('guess', 'ann')}` },
        'the secret itself as Basic': {
          Authorization: `Basic ${Buffer.from('demo-app:old secret').toString('base64')}`,
        },
      }
      for (const [what, headers] of Object.entries(wrong)) {
        t.test(`contract 9: ${what} is 401`, async (t) => {
          const phone = createPhone(broker, ann)
          const answers = [
            await phone.get('/v1/sdk/sos', { headers }),
            await phone.post('/v1/sdk/sos', Buffer.alloc(0), { headers }),
          ]
          for (const answer of answers) {
            t.strictSame(readError(answer, 401), {
              code: 'unauthorized',
              message: 'missing or wrong identity',
            })
          }
          t.equal((await phone.get('/v1/sdk/sos')).text, '{"incident":null}', 'and nothing was raised')
        })
      }

      t.test('every route of the SDK’s surface refuses a request without identity', async (t) => {
        const id = '00000000-0000-4000-8000-000000000000'
        for (const route of [
          'GET /me',
          'PUT /me',
          'DELETE /me',
          'GET /sos',
          'POST /sos',
          'POST /sos/cancel',
          'POST /sos/resolve',
          'GET /sos/history',
          'GET /devices',
          'POST /devices',
          `DELETE /devices/${id}`,
          'GET /contacts',
          'POST /contacts',
          `PUT /contacts/${id}`,
          `DELETE /contacts/${id}`,
          'PUT /contacts/reorder',
          'POST /telemetry',
        ]) {
          const [method = '', path = ''] = route.split(' ')
          const headers = { 'Content-Type': 'application/json' }
          const answer = await send(broker, 'http', method, `/v1/sdk${path}`, { headers })
          t.equal(readError(answer, 401).code, 'unauthorized', route)
        }
      })

      t.test('the same external id in two apps is two users who see nothing of each other', async (t) => {
        const other = createPhone(broker, {
          appId: 'other-app',
          externalUserId: 'ann',
          password: sign('another secret', 'ann'),
        })
        const phone = createPhone(broker, ann)
        t.not(readUser(await other.get('/v1/sdk/me')).id, readUser(await phone.get('/v1/sdk/me')).id)
        const { id } = readContact(await phone.post('/v1/sdk/contacts', { name: 'Marta' }), 201)
        await phone.put('/v1/sdk/me', { name: 'Ann' })
        await phone.post('/v1/sdk/sos', Buffer.alloc(0))
        t.equal(readUser(await other.get('/v1/sdk/me')).name, '')
        t.equal((await other.get('/v1/sdk/sos')).text, '{"incident":null}')
        t.equal((await other.get('/v1/sdk/contacts')).text, '{"contacts":[]}')
        readError(await other.delete(`/v1/sdk/contacts/${id}`), 404)
        readNothing(await phone.delete(`/v1/sdk/contacts/${id}`))
      })

      t.test('the HTTPS port serves the same user the same', async (t) => {
        const [plain, secure] = [createPhone(broker, ann), createPhone(broker, ann, 'https')]
        const { id } = readIncident(await secure.post('/v1/sdk/sos', Buffer.alloc(0)))
        t.equal(readIncident(await plain.get('/v1/sdk/sos')).id, id)
        t.strictSame((await secure.get('/v1/sdk/me')).json, (await plain.get('/v1/sdk/me')).json)
        t.equal(readIncident(await secure.post('/v1/sdk/sos/cancel')).state, 'cancelled')
        const headers = { ...sdkHeaders(ann), Authorization: 'Bearer none' }
        readError(await send(broker, 'https', 'GET', '/v1/sdk/me', { headers }), 401)
      })

      t.test('no hash and no secret is in the log', async (t) => {
        const log = JSON.stringify(broker.log)
        for (const secret of [ann.password, ann.password.toUpperCase(), 'old secret', 'another secret'])
          t.notOk(log.includes(secret))
      })
    },
    { APPS_FILE: appsFile, LOG_LEVEL: 'trace' },
  ),
)

import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { backendOf, connectPhone, register, sdkOf, sosReport, startNodes } from '../support/api.js'

/** External ids with their one-level form as Dart's Uri.encodeComponent writes it. */
const IDS = {
  'partner/user 42': 'partner%2Fuser%2042',
  'partner%2Fuser%2042': 'partner%252Fuser%252042',
  'a:b::c': 'a%3Ab%3A%3Ac',
  '100%': '100%25',
  '100%25': '100%2525',
  'Zoë 山田 🚑': 'Zo%C3%AB%20%E5%B1%B1%E7%94%B0%20%F0%9F%9A%91',
  'a+b': 'a%2Bb',
  'a b': 'a%20b',
  '../x?y=1&z#f;': '..%2Fx%3Fy%3D1%26z%23f%3B',
  '+': '%2B',
  [`${'山'.repeat(81)}`]: '%E5%B1%B1'.repeat(81),
}

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test('contract 1: a user is found under his percent-encoded id, and only he', async (t) => {
      const backend = backendOf(two)
      for (const externalUserId of Object.keys(IDS)) {
        const sdk = sdkOf(one, one.credentials(externalUserId, 'app-a'))
        t.equal((await sdk.put('/me', { name: `name of ${externalUserId}`.slice(0, 100) })).status, 200)
      }
      for (const [externalUserId, encoded] of Object.entries(IDS)) {
        const { status, body } = await backend.get(`/users/${encoded}`)
        t.equal(status, 200, encoded.slice(0, 40))
        const me = (await sdkOf(two, one.credentials(externalUserId, 'app-a')).get('/me')).body.user
        t.same(body.user, me)
        t.match(me, { external_user_id: externalUserId, app_id: 'app-a' })
        t.equal(me?.name, `name of ${externalUserId}`.slice(0, 100))
        t.equal((await backendOf(one, 'app-b').get(`/users/${encoded}`)).body.user?.name, '', 'not in app b')
      }
      t.equal((await backend.get(`/users/${'%E5%B1%B1'.repeat(86)}`)).status, 404, 'longer than an id can be')
    })

    await t.test('a user is revoked under his percent-encoded id, seen or not, and only he', async (t) => {
      const backend = backendOf(one)
      const isRefused = async (externalUserId: string, appId: string) =>
        (await sdkOf(one, one.credentials(externalUserId, appId)).get('/sos')).status === 401
      const users = [...Object.entries(IDS).slice(-3), ['not seen yet', 'not%20seen%20yet']] as const
      for (const [externalUserId = '', encoded = ''] of users) {
        const { userId } = createUser({ appId: 'app-a', externalUserId })
        const { status, body } = await backend.post(`/users/${encoded}/revoke`)
        t.match(
          { status, ...body },
          { status: 200, user: { userId, externalUserId, revokedAt: /^2.*Z$/ } },
          encoded.slice(0, 40),
        )
        t.ok(await isRefused(externalUserId, 'app-a'))
        t.same((await backend.post(`/users/${encoded}/revoke`)).body, body, 'the first time counts')
        t.equal((await backend.get(`/users/${encoded}`)).body.revokedAt, body.user?.revokedAt)
        t.notOk(await isRefused(externalUserId, 'app-b'), 'the same id in another app')
        t.notOk(await isRefused(`${externalUserId}x`.slice(-80), 'app-a'), 'another id')

        const again = await backend.post(`/users/${encoded}/unrevoke`, {})
        t.same(again.body, { user: { userId, externalUserId, revokedAt: null } })
        t.notOk(await isRefused(externalUserId, 'app-a'))
        t.equal((await backend.get(`/users/${encoded}`)).body.revokedAt, null)
      }
      t.equal((await backend.post(`/users/${'%E5%B1%B1'.repeat(86)}/revoke`)).status, 404)
      t.equal((await backendOf(one, 'app-a', 'wrong').post('/users/x/revoke')).status, 401)
      t.notOk(await isRefused('x', 'app-a'))
    })

    await t.test('a user shows what the partner keeps of him', async (t) => {
      const login = one.credentials('user-7', 'app-a')
      const sdk = sdkOf(one, login)
      const backend = backendOf(one)
      const nobody = await backend.get('/users/never-seen')
      t.match(nobody.body, { user: { name: '' }, position: null, incident: null, devices: [], contacts: [] })

      await sdk.put('/me', { name: 'Ana', phone: '+34600000000' })
      await register(sdk, 'CF:82:00:00:00:01')
      await sdk.post('/contacts', { name: 'Leo', phone: '112', email: '', priority: 1 })
      const phone = await connectPhone(t, one, login)
      const tablet = await connectPhone(t, one, login)
      await phone.telemetry({ latitude: 7, longitude: 8, altitude: 9 })
      await phone.telemetry({ kind: 'HEARTBEAT', latitude: 0, longitude: 0, altitude: 0 })
      await phone.report({ latitude: 40 })
      const { incidentId } = await phone.next()
      const { body } = await backend.get('/users/user-7')
      t.match(body, {
        user: { id: phone.userId, name: 'Ana', phone: '+34600000000', external_user_id: 'user-7' },
        position: { latitude: 7, longitude: 8, altitude: 9, occurredAt: /Z$/, receivedAt: /Z$/ },
        incident: { id: incidentId, state: 'active', latitude: 40 },
        devices: [{ hardware_id: 'CF:82:00:00:00:01' }],
        contacts: [{ name: 'Leo', phone: '112' }],
        sessions: [
          { transport: 'tcp', address: '127.0.0.1', since: /Z$/ },
          { transport: 'tcp', address: '127.0.0.1', since: /Z$/ },
        ],
      })
      t.equal(body.sessions?.length, 2)
      const gone = String(body.sessions?.[1]?.sessionId)
      await tablet.client.endAsync()
      await one.logged(({ msg, sessionId }) => msg === 'session ended' && sessionId === gone)
      t.equal((await backend.get('/users/user-7')).body.sessions?.length, 1)
      t.same((await backendOf(one, 'app-b').get('/users/user-7')).body.sessions, [])

      await sdk.delete('/me')
      const forgotten = (await backend.get('/users/user-7')).body
      t.match(forgotten, { user: { name: '', phone: '' }, position: null, devices: [], contacts: [] })
      t.equal(forgotten.incident?.id, incidentId, 'contract 9: an open incident stays')
      t.equal((await sdk.post('/sos/resolve', sosReport())).body.incident?.id, incidentId)
    })
  })
}

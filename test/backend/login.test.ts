import { writeFileSync } from 'node:fs'
import t from 'tap'
import { APPS, backendOf, basic, call, sdkOf, startNodes, writeApps } from '../support/api.js'

t.test('every live secret of an app opens its backend surface, and nothing else does', async (t) => {
  const [broker] = await startNodes(t, 'embedded store')
  const { http } = broker.ports
  const status = async (authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization }
    const answer = await call(http, 'GET', '/v1/backend/incidents', headers)
    if (answer.status === 401) t.same(answer.body.error?.code, 'unauthorized')
    return answer.status
  }
  for (const { appId, secrets } of APPS)
    for (const secret of secrets) t.equal(await status(basic(appId, secret)), 200, `${appId}: ${secret}`)

  const wrong = {
    'no header': undefined,
    'a secret of the other app': basic('app-a', 'secret of b'),
    'an unknown app': basic('app-c', 'secret of b'),
    'an empty secret': basic('app-b', ''),
    'a secret cut short': basic('app-b', 'secret of '),
    'a secret in other letters': basic('app-b', 'SECRET OF B'),
    'no colon': `Basic ${Buffer.from('app-b').toString('base64')}`,
    'an empty app id': basic('', 'secret of b'),
    'not base64': 'Basic %%%%',
    'another scheme': `Bearer ${basic('app-b').slice('Basic '.length)}`,
    'a user hash': basic('app-b', broker.credentials('user-7', 'app-b').password),
    'a user hash as a phone sends it': `Bearer ${broker.credentials('user-7', 'app-b').password}`,
  }
  for (const [name, authorization] of Object.entries(wrong)) t.equal(await status(authorization), 401, name)

  const asPhone = { 'x-app-id': 'app-b', 'x-user-id': 'user-7', authorization: basic('app-b') }
  t.equal((await call(http, 'GET', '/v1/sdk/me', asPhone)).status, 401, 'the secret logs no user in')
  for (const path of ['/events', '/users/user-7', '/incidents/1', '/incidents/1/cancel'])
    t.equal((await call(http, path.endsWith('cancel') ? 'POST' : 'GET', `/v1/backend${path}`)).status, 401)
})

t.test('a secret that left the apps file, or whose app is disabled, opens nothing', async (t) => {
  const appsFile = writeApps(t)
  const [broker] = await startNodes(t, 'embedded store', { APPS_FILE: appsFile })
  t.equal((await backendOf(broker, 'app-a', 'old secret of a').get('/incidents')).status, 200)
  const rotated = [
    { appId: 'app-a', secrets: ['new secret of a: ñ'] },
    { ...APPS[1], disabled: true },
  ]
  writeFileSync(appsFile, JSON.stringify({ apps: rotated }))
  broker.child.kill('SIGHUP')
  await broker.logged(({ msg }) => msg === 'apps file read again')
  t.equal((await backendOf(broker, 'app-a', 'old secret of a').get('/incidents')).status, 401)
  t.equal((await backendOf(broker, 'app-a', 'new secret of a: ñ').get('/incidents')).status, 200)
  t.equal((await backendOf(broker, 'app-b').get('/incidents')).status, 401)
})

t.test('failed backend logins are throttled, and lock out neither users nor the other app', async (t) => {
  const limits = { LIMIT_LOOPBACK: 'true', LOGIN_FAILURES_PER_IDENTITY: '3' }
  const [broker] = await startNodes(t, 'embedded store', limits)
  for (let i = 0; i < 3; i++)
    t.equal((await backendOf(broker, 'app-a', 'wrong').get('/incidents')).status, 401)
  const refused = await backendOf(broker, 'app-a').get('/incidents')
  t.match(
    { status: refused.status, code: refused.body.error?.code },
    { status: 429, code: 'too_many_requests' },
  )
  t.equal((await backendOf(broker, 'app-b').get('/incidents')).status, 200)
  t.equal((await sdkOf(broker, broker.credentials('user-7', 'app-a')).get('/me')).status, 200)

  const impostor = { ...broker.credentials('user-8', 'app-b'), password: '0'.repeat(64) }
  for (let i = 0; i < 3; i++) t.equal((await sdkOf(broker, impostor).get('/me')).status, 401)
  t.equal((await sdkOf(broker, broker.credentials('user-8', 'app-b')).get('/me')).status, 429)
  t.equal(
    (await backendOf(broker, 'app-b').get('/incidents')).status,
    200,
    'users do not lock out the backend',
  )
})

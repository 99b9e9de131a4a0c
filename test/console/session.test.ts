import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { signUser } from '../../auth/identity.js'
import { APPS, startNodes, writeApps } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { cookieOf, logIn, openPageStream, operatorAt } from '../support/console.js'
import { send } from '../support/http.js'
import { readError } from '../support/sdk-reader.js'

const TOKEN = 'token of the night shift, long enough'
const CONSOLE_TOKENS = JSON.stringify([{ name: 'night', token: TOKEN, apps: ['app-a', 'app-b', 'gone'] }])
const APP_A = { appId: 'app-a', secret: 'old secret of a' }

t.test('the session of the live page', async (t) => {
  const [broker, other] = await startNodes(t, 'two nodes', { CONSOLE_TOKENS })

  await t.test(
    'app id and any live secret log in, for that app; the cookie is for no script and no other site',
    async (t) => {
      for (const secret of APPS[0]?.secrets ?? []) {
        const answer = await operatorAt(broker).post('/login', { appId: 'app-a', secret, who: 'Marta' })
        t.equal(answer.status, 200)
        t.match(answer.json, { by: 'console (Marta)', apps: ['app-a'], tiles: null })
        const [cookie = ''] = answer.headers['set-cookie'] ?? []
        t.match(cookie, /^connect-console=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/)
        t.notMatch(
          Buffer.from(cookieOf(answer).slice(16).split('.')[0] ?? '', 'base64url').toString(),
          'secret',
        )
      }
    },
  )

  await t.test('over TLS the cookie is Secure and bound to this host', async (t) => {
    const answer = await operatorAt(broker, '', 'https').post('/login', APP_A)
    t.match(
      answer.headers['set-cookie']?.[0],
      /^__Host-connect-console=[^;]+; Path=\/; HttpOnly; .*; Secure$/,
    )
    const proxied = await operatorAt(broker).post('/login', APP_A, {
      origin: 'https://console.example',
      'sec-fetch-site': 'same-origin',
    })
    t.match(proxied.headers['set-cookie']?.[0], /^__Host-.*; Secure$/, 'a proxy in front ends TLS')
  })

  await t.test("an operator's token logs in for the apps that it names and that there are", async (t) => {
    const night = await logIn(broker, { token: TOKEN })
    t.match((await night.get('/session')).json, { by: 'operator night', apps: ['app-a', 'app-b'] })
  })

  await t.test('another node takes the cookie, and renews it', async (t) => {
    const { cookie } = await logIn(broker, APP_A)
    const there = operatorAt(other, cookie)
    t.match((await there.get('/session')).json, { apps: ['app-a'] })
    const renewed = await there.post('/renew')
    t.equal(renewed.status, 200)
    t.equal((await operatorAt(broker, cookieOf(renewed)).get('/session')).status, 200)
  })

  await t.test('wrong, forged and foreign credentials are all refused alike', async (t) => {
    const refused = [
      { appId: 'app-a', secret: 'wrong' },
      { appId: 'app-b', secret: 'old secret of a' },
      { appId: 'nobody', secret: 'old secret of a' },
      { token: 'x'.repeat(40) },
      { token: '' },
    ]
    for (const credentials of refused) readError(await operatorAt(broker).post('/login', credentials), 401)
    const { cookie } = await logIn(broker, APP_A)
    const [payload = '', mac = ''] = cookie.slice('connect-console='.length).split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const forge = (changes: object) =>
      `connect-console=${Buffer.from(JSON.stringify({ ...claims, ...changes })).toString('base64url')}`
    for (const forged of [
      '',
      'connect-console=',
      'connect-console=.',
      `connect-console=${payload}.${mac.slice(0, -2)}`,
      `${forge({ name: 'app-b' })}.${mac}`,
      `${forge({ until: Date.now() + 1e12 })}.${mac}`,
      `${forge({ is: 'operator', name: 'night' })}.${mac}`,
      `${forge({ until: 1 })}.${mac}`,
      // What a backend signs for a user who chose this name.
      `connect-console=${payload}.${Buffer.from(signUser('old secret of a', payload), 'hex').toString('base64url')}`,
    ])
      readError(await operatorAt(broker, forged).get('/session'), 401)
    t.equal(
      (await operatorAt(broker, cookie).get('/session')).status,
      200,
      'the one they were made from is good',
    )
  })

  await t.test('a request of another page is refused, whatever cookie it brings', async (t) => {
    const mine = await logIn(broker, APP_A)
    for (const foreign of [
      { 'x-console': undefined },
      { origin: 'http://evil.example' },
      { origin: undefined },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${broker.ports.https}` },
      { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' },
    ])
      for (const path of ['/login', '/logout', '/renew', '/apps/app-a/incidents/x/acknowledge'])
        t.equal(
          readError(await mine.post(path, APP_A, foreign), 403).code,
          'foreign_page',
          `${path} ${JSON.stringify(foreign)}`,
        )
    readError(await mine.get('/session', { 'sec-fetch-site': 'cross-site' }), 403)
    t.equal((await mine.post('/renew')).status, 200)
  })

  await t.test('logout takes the cookie away', async (t) => {
    const answer = await (await logIn(broker, APP_A)).post('/logout')
    t.equal(answer.status, 204)
    t.match(answer.headers['set-cookie']?.[0], /^connect-console=; .*Max-Age=0/)
  })
})

t.test('to remove the secret ends the sessions that came in by it, their streams too', async (t) => {
  const file = writeApps(t)
  const broker = await startBroker(t, { env: { APPS_FILE: file } })
  const [before, after] = await Promise.all([
    logIn(broker, APP_A),
    logIn(broker, { appId: 'app-a', secret: 'new secret of a: ñ' }),
  ])
  const stream = await openPageStream(t, broker, before.cookie)
  writeFileSync(file, JSON.stringify({ apps: [{ ...APPS[0], secrets: ['new secret of a: ñ'] }] }))
  broker.child.kill('SIGHUP')
  t.equal(await stream.next('nothing'), null, 'the stream has ended')
  readError(await before.get('/session'), 401)
  t.equal((await after.get('/session')).status, 200)
})

t.test('too many failed logins are 429, with the right secret too, and lock nobody else out', async (t) => {
  const env = {
    APPS_FILE: writeApps(t),
    CONSOLE_TOKENS,
    LIMIT_LOOPBACK: 'true',
    LOGIN_FAILURES_PER_IDENTITY: '3',
  }
  const broker = await startBroker(t, { env })
  const page = operatorAt(broker)
  for (let i = 0; i < 3; i++) readError(await page.post('/login', { ...APP_A, secret: `guess ${i}` }), 401)
  t.equal(readError(await page.post('/login', APP_A), 429).code, 'too_many_requests')
  for (let i = 0; i < 3; i++) readError(await page.post('/login', { token: `guess ${i}` }), 401)
  readError(await page.post('/login', { token: TOKEN }), 429)
  t.equal((await page.post('/login', { appId: 'app-b', secret: 'secret of b' })).status, 200)
  const authorization = `Basic ${Buffer.from('app-a:old secret of a').toString('base64')}`
  const backend = await send(broker, 'http', 'GET', '/v1/backend/incidents', { headers: { authorization } })
  t.equal(backend.status, 200, "the partner's own server")
  readError(await page.post('/login', { appId: 'secret of b', secret: 'app-b' }), 401)
  const said = await broker.logged(({ msg }) => msg === 'login at the live page refused')
  t.match(said, { why: 'wrong-secret', address: '127.0.0.1' })
  t.notMatch(JSON.stringify(broker.log), /guess|secret of b/, 'a secret in the wrong field is in no log')
})

t.test('CONSOLE=off: there is no page and no way in', async (t) => {
  const broker = await startBroker(t, { env: { CONSOLE: 'off', APPS_FILE: writeApps(t) } })
  readError(await send(broker, 'http', 'GET', '/console/'), 404)
  readError(await operatorAt(broker).post('/login', APP_A), 404)
})

t.test('the page comes with a policy that lets nothing in from elsewhere but the tiles', async (t) => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'tokens')
  writeFileSync(file, CONSOLE_TOKENS)
  const env = {
    CONSOLE_TOKENS_FILE: file,
    CONSOLE_TILE_URL: 'https://{s}.tiles.example/{z}/{x}/{y}.png',
    APPS_FILE: writeApps(t),
  }
  const broker = await startBroker(t, { env })
  const night = await logIn(broker, { token: TOKEN })
  t.match((await night.get('/session')).json, { tiles: { url: env.CONSOLE_TILE_URL, attribution: '' } })
  t.notOk((await night.get('/session')).text.includes(TOKEN))
  const redirect = await send(broker, 'http', 'GET', '/console')
  t.equal(redirect.headers.location, '/console/')
  const page = await send(broker, 'http', 'GET', '/console/')
  t.equal(page.status, 200, 'npm run build has made it')
  const policy = page.headers['content-security-policy']
  t.match(
    policy,
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https://*.tiles.example;",
  )
  t.notMatch(policy, 'unsafe')
  t.notMatch(page.text, /<style|<script(?![^>]* src=)|style=|onload=/, 'nothing inline')
  for (const [, path = ''] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    const asset = await send(broker, 'http', 'GET', new URL(path, 'http://x/console/').pathname)
    t.equal(asset.status, 200, path)
  }
  for (const path of ['..%2Fbroker%2Fmain.js', '../broker/main.js', 'nothing.js', '.stamp'])
    t.equal((await send(broker, 'http', 'GET', `/console/${path}`)).status, 404, path)
  t.ok(readFileSync(file, 'utf8').includes(TOKEN))
})

import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { call } from '../support/api.js'
import { leaked, secretsIn } from '../support/secrets.js'

t.test('the search finds a secret in every form in which it could be written', async (t) => {
  const secret = 'a "quoted" secret ñ'
  const forms = [
    secret,
    JSON.stringify({ secret }),
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
  ]
  for (const form of forms) t.ok(leaked(`before ${form} after`, [secret]), form)
  t.equal(leaked('nothing of the kind', [secret]), undefined)
})

// What the broker wrote to its log and standard error is searched at the end of every test, by startBroker.
for (const store of ['embedded', 'redis'] as const) {
  t.test(`no secret leaves the broker, and its files are its own; ${store} store`, async (t) => {
    const redis = store === 'redis' ? await startRedis(t) : null
    const broker = await startBroker(t, { env: redis ? { REDIS_URL: redis.url } : {} })
    const user = broker.credentials('secret keeper')
    const secrets = [user.password, ...secretsIn(join(broker.dataDir, 'apps.json'))]
    t.ok(secrets.length >= 2)

    const phone = await connectPhone(t, broker.ports.mqtt, user)
    t.equal(await phone.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00Z' }), 0)
    const pages = await errorPages(broker, user.password, secrets[1] as string)
    for (const { what, text } of pages) t.equal(leaked(text, secrets), undefined, what)

    if (redis) {
      await redis.stop()
      t.equal(await phone.publish('sos/alerts', { timestamp: '2026-05-01T10:00:01Z' }), 0, 'into the journal')
    }
    const commandLine = readFileSync(`/proc/${broker.child.pid}/cmdline`, 'latin1')
    t.equal(leaked(commandLine, secrets), undefined, 'the process list')
    checkModes(t, broker.dataDir, store)
  })
}

/** Answers to requests that carry secrets where they belong and where they do not, and the metrics afterwards. */
async function errorPages(broker: Broker, hash: string, secret: string) {
  const { http, admin } = broker.ports
  const bearer = { 'x-app-id': 'demo-app', 'x-user-id': 'secret keeper', authorization: `Bearer ${hash}` }
  const basic = `Basic ${Buffer.from(`demo-app:${secret}`).toString('base64')}`
  const requests: [string, string, Record<string, string>, unknown][] = [
    ['GET', '/v1/sdk/me', bearer, undefined],
    ['GET', '/v1/sdk/me', { ...bearer, 'x-user-id': 'another' }, undefined],
    ['GET', '/v1/sdk/nothing', bearer, undefined],
    ['PUT', '/v1/sdk/me', bearer, { name: [hash] }],
    ['POST', '/v1/sdk/sos', bearer, `{"${hash}`],
    ['POST', '/v1/sdk/telemetry', bearer, { timestamp: hash }],
    ['GET', '/v1/backend/incidents', { authorization: basic }, undefined],
    ['GET', '/v1/backend/incidents', { authorization: `${basic}x` }, undefined],
    ['GET', '/v1/backend/incidents?limit=x', { authorization: basic }, undefined],
    ['GET', '/openapi.json', bearer, undefined],
  ]
  const pages: { what: string; text: string }[] = []
  for (const [method, path, headers, body] of requests) {
    const { status, text } = await call(http, method, path, headers, body)
    pages.push({ what: `${method} ${path}: ${status}`, text })
  }
  for (const page of ['metrics', 'healthz', 'readyz'])
    pages.push({ what: page, text: await (await fetch(`http://127.0.0.1:${admin}/${page}`)).text() })
  return pages
}

/** A certificate goes to every client; everything else is for the broker alone. */
function checkModes(t: Test, dataDir: string, store: 'embedded' | 'redis'): void {
  const names = readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
  const wanted = store === 'embedded' ? /^store\/data\.mdb$/ : /^journal\/./
  for (const must of [/^apps\.json$/, /^tls\/key\.pem$/, /^lock$/, wanted])
    t.ok(
      names.some((name) => must.test(name)),
      `${must.source} is there`,
    )
  for (const name of names) {
    const stats = lstatSync(join(dataDir, name))
    const mode = (stats.mode & 0o777).toString(8)
    if (stats.isDirectory()) t.equal(mode, '700', name)
    else t.equal(mode, name === 'tls/cert.pem' ? '644' : '600', name)
  }
}

import t from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { createPhone, send } from '../support/http.js'
import { readError, readUser } from '../support/sdk-reader.js'

const ALLOWED = 'https://console.example.org'
const ALLOWED_TOO = 'http://localhost:5173'

t.test('without CORS_ORIGINS no origin is allowed', async (t) => {
  const broker = await startBroker(t)
  const phone = createPhone(broker, broker.credentials('ann'))
  const answer = await phone.get('/v1/sdk/me', { headers: { Origin: ALLOWED } })
  t.equal(readUser(answer).external_user_id, 'ann', 'who is no browser is served all the same')
  t.strictSame(corsHeaders(answer), {})
  const asked = await preflight(broker, ALLOWED)
  readError(asked, 404)
  t.strictSame(corsHeaders(asked), {})
})

t.test('with CORS_ORIGINS', async (t) => {
  const broker = await startBroker(t, { env: { CORS_ORIGINS: `${ALLOWED}, ${ALLOWED_TOO}` } })
  const phone = createPhone(broker, broker.credentials('ann'))

  for (const origin of [ALLOWED, ALLOWED_TOO]) {
    t.test(`${origin} stands in the list and may call with the SDK’s headers`, async (t) => {
      const asked = await preflight(broker, origin)
      t.equal(asked.status, 204)
      t.equal(asked.headers['access-control-allow-origin'], origin)
      t.match(asked.headers['access-control-allow-headers'], /x-app-id.*x-user-id.*authorization/i)
      for (const method of ['GET', 'PUT', 'POST', 'DELETE'])
        t.match(asked.headers['access-control-allow-methods'], method)
      const answer = await phone.get('/v1/sdk/me', { headers: { Origin: origin } })
      t.equal(readUser(answer).external_user_id, 'ann')
      t.equal(answer.headers['access-control-allow-origin'], origin)
      t.match(answer.headers.vary, /origin/i)
    })
  }

  t.test('a refusal can be read by the page as well', async (t) => {
    const headers = { Origin: ALLOWED, Authorization: 'Bearer none' }
    const answer = await phone.get('/v1/sdk/me', { headers })
    readError(answer, 401)
    t.equal(answer.headers['access-control-allow-origin'], ALLOWED)
  })

  t.test('an origin that is not in the list is not allowed', async (t) => {
    for (const origin of ['https://evil.example.org', `${ALLOWED}.evil.org`, 'null', 'http://localhost']) {
      const answer = await phone.get('/v1/sdk/me', { headers: { Origin: origin } })
      t.equal(answer.status, 200, 'answered, but no page of that origin may read it')
      t.notOk('access-control-allow-origin' in answer.headers, origin)
      const asked = await preflight(broker, origin)
      t.notOk('access-control-allow-origin' in asked.headers, origin)
    }
  })
})

function preflight(broker: Broker, origin: string) {
  return send(broker, 'http', 'OPTIONS', '/v1/sdk/sos/cancel', {
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'x-app-id, x-user-id, authorization, content-type',
    },
  })
}

function corsHeaders({ headers }: { headers: object }) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('access-control-')))
}

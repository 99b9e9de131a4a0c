import { fuzzBackend, fuzzCredentials } from '../../test/support/fuzz-app.js'
import { mutateBytes } from '../../test/support/fuzz-packets.js'
import type { Random } from '../../test/support/fuzz-packets.js'
import { sosPayload } from '../../test/support/wire-packets.js'

interface Request {
  method: string
  path: string
  headers: [string, string][]
  body: Buffer
}

/** One to six requests on one connection, valid but for one to three changes; the last one closes it. */
export function httpConversation(random: Random): Buffer {
  const requests = Array.from({ length: 1 + random.below(6) }, () => validRequest(random))
  for (let i = random.below(3); i >= 0; i--) mutateRequest(random, random.pick(requests))
  requests.at(-1)?.headers.push(['Connection', 'close'])
  const bytes = requests.map(write)
  if (random.below(8) === 0) bytes.splice(random.below(bytes.length), 0, random.pick(bytes))
  const all = Buffer.concat(bytes)
  return random.below(6) === 0 ? mutateBytes(random, all) : all
}

function validRequest(random: Random): Request {
  const isBackend = random.below(4) === 0
  const [method, path, body] = isBackend ? random.pick(BACKEND) : random.pick(SDK)
  const { appId, externalUserId, password } = fuzzCredentials('fuzz')
  const headers: [string, string][] = isBackend
    ? [['Authorization', fuzzBackend]]
    : [
        ['X-App-ID', appId],
        ['X-User-ID', externalUserId],
        ['Authorization', `Bearer ${password}`],
      ]
  return {
    method,
    path,
    headers: [['Host', 'localhost'], ...headers, ['Content-Type', 'application/json']],
    body: Buffer.from(body),
  }
}

function mutateRequest(random: Random, request: Request): void {
  const { headers } = request
  const at = random.below(headers.length)
  switch (random.below(10)) {
    case 0:
      request.method = random.pick(['PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'get', 'HEAD', 'DELETE', ''])
      break
    case 1:
      request.path = random.pick([
        `/${request.path}`,
        `${request.path}/..`,
        request.path.replace('/v1', '/v1/%2e%2e'),
        `${request.path}?${'a=1&'.repeat(50)}`,
        `${request.path}/__proto__`,
        `${request.path}%00`,
        `http://x${request.path}`,
        `${request.path}?limit=-1&cursor=%ff&after=x&wait=9e9`,
      ])
      break
    case 2:
      headers.splice(at, 1)
      break
    case 3:
      headers.splice(at, 0, headers[at] as [string, string])
      break
    case 4:
      headers[at] = [
        headers[at]?.[0] ?? 'X',
        random.pick(['', '\u00ff\u00fe', 'x'.repeat(9_000), '__proto__', 'Basic =']),
      ]
      break
    case 5:
      headers.push(random.pick(ODD_HEADERS))
      break
    case 6:
      request.body = Buffer.from(random.pick(BODIES))
      break
    default:
      for (let i = random.below(5); i >= 0; i--) request.body = mutateBytes(random, request.body)
  }
}

function write({ method, path, headers, body }: Request): Buffer {
  const isSized = headers.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name))
  const all = isSized || body.length === 0 ? headers : [...headers, ['Content-Length', String(body.length)]]
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'), body])
}

const DEVICE =
  '{"hardware_id":"d","firmware_version":"1","hardware_model":"m","paired_at":"2026-04-01T08:00:00Z"}'
const CONTACT = '{"name":"n","phone":"1","email":"","priority":1}'
const ID = '00000000-0000-4000-8000-000000000000'
const SDK: [string, string, string][] = [
  ['GET', '/v1/sdk/me', ''],
  ['PUT', '/v1/sdk/me', '{"name":"n","address":"a"}'],
  ['DELETE', '/v1/sdk/me', ''],
  ['GET', '/v1/sdk/sos', ''],
  ['POST', '/v1/sdk/sos', sosPayload(1)],
  ['POST', '/v1/sdk/sos/cancel', '{"deviceId":"d"}'],
  ['POST', '/v1/sdk/sos/resolve', '{}'],
  ['GET', '/v1/sdk/sos/history?limit=3', ''],
  ['GET', '/v1/sdk/devices', ''],
  ['POST', '/v1/sdk/devices', DEVICE],
  ['DELETE', `/v1/sdk/devices/${ID}`, ''],
  ['GET', '/v1/sdk/contacts', ''],
  ['POST', '/v1/sdk/contacts', CONTACT],
  ['PUT', `/v1/sdk/contacts/${ID}`, CONTACT],
  ['PUT', '/v1/sdk/contacts/reorder', `{"order":["${ID}"]}`],
  ['DELETE', `/v1/sdk/contacts/${ID}`, ''],
  ['POST', '/v1/sdk/telemetry', sosPayload(2)],
  ['GET', '/openapi.json', ''],
  ['GET', '/docs', ''],
]
const BACKEND: [string, string, string][] = [
  ['GET', '/v1/backend/incidents?state=all&limit=5', ''],
  ['GET', `/v1/backend/incidents/${ID}`, ''],
  ['POST', `/v1/backend/incidents/${ID}/acknowledge`, '{"by":"b","note":"n"}'],
  ['POST', `/v1/backend/incidents/${ID}/resolve`, '{}'],
  ['POST', `/v1/backend/incidents/${ID}/cancel`, '{}'],
  ['GET', '/v1/backend/users/fuzz', ''],
  ['GET', '/v1/backend/events?after=0&limit=5', ''],
]
const ODD_HEADERS: [string, string][] = [
  ['Transfer-Encoding', 'chunked'],
  ['Transfer-Encoding', 'chunked, identity'],
  ['Content-Length', '0'],
  ['Content-Length', '-1'],
  ['Content-Length', '70000'],
  ['Content-Encoding', 'gzip'],
  ['Content-Type', 'application/x-www-form-urlencoded'],
  ['Content-Type', 'application/json; charset=utf-7'],
  ['Accept', 'text/event-stream'],
  ['Last-Event-ID', '-1'],
  ['Expect', '100-continue'],
  ['Upgrade', 'h2c'],
  ['Origin', 'https://elsewhere.example'],
  ['X-Forwarded-For', '1.2.3.4, ::1'],
  ['Range', 'bytes=0-'],
]
const BODIES = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '1e999',
  '{"__proto__":{"x":1},"constructor":{"prototype":{}}}',
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  `{"timestamp":"2026-05-01T10:00:00Z","latitude":1e400,"longitude":"2"}`,
  `5\r\n{"a":\r\n0\r\n\r\n`,
  '\u0000',
]

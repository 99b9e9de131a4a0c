import t from 'tap'
import { z } from 'zod'
import { withBothStores } from '../support/both-stores.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import type { HttpAnswer } from '../support/http.js'
import { readContact, readDevice, readIncident } from '../support/sdk-reader.js'

const ROUTES = [
  'GET /v1/sdk/me',
  'PUT /v1/sdk/me',
  'DELETE /v1/sdk/me',
  'GET /v1/sdk/sos',
  'POST /v1/sdk/sos',
  'POST /v1/sdk/sos/cancel',
  'POST /v1/sdk/sos/resolve',
  'GET /v1/sdk/sos/history',
  'GET /v1/sdk/devices',
  'POST /v1/sdk/devices',
  'DELETE /v1/sdk/devices/{id}',
  'GET /v1/sdk/contacts',
  'POST /v1/sdk/contacts',
  'PUT /v1/sdk/contacts/{id}',
  'DELETE /v1/sdk/contacts/{id}',
  'PUT /v1/sdk/contacts/reorder',
  'POST /v1/sdk/telemetry',
  'GET /v1/backend/incidents',
  'GET /v1/backend/incidents/{id}',
  'POST /v1/backend/incidents/{id}/acknowledge',
  'POST /v1/backend/incidents/{id}/resolve',
  'POST /v1/backend/incidents/{id}/cancel',
  'GET /v1/backend/users/{externalUserId}',
  'POST /v1/backend/users/{externalUserId}/revoke',
  'POST /v1/backend/users/{externalUserId}/unrevoke',
  'POST /v1/backend/gateways',
  'GET /v1/backend/gateways',
  'POST /v1/backend/gateways/{gatewayId}/rotate',
  'DELETE /v1/backend/gateways/{gatewayId}/old-token',
  'DELETE /v1/backend/gateways/{gatewayId}',
  'POST /v1/backend/users/{externalUserId}/kick',
  'GET /v1/backend/sessions',
  'GET /v1/backend/webhooks',
  'GET /v1/backend/webhooks/{webhookId}/dead-letters',
  'POST /v1/backend/webhooks/{webhookId}/dead-letters/redeliver',
  'GET /v1/backend/events',
  'GET /v1/backend/alerts',
  'GET /v1/backend/alerts/{id}',
  'POST /v1/backend/alerts/{id}/acknowledge',
  'POST /v1/backend/alerts/{id}/resolve',
  'POST /v1/backend/alerts/{id}/cancel',
  'GET /v1/backend/nodes',
  'PUT /v1/backend/nodes/{nodeId}',
  'DELETE /v1/backend/nodes/{nodeId}',
  'GET /v1/backend/mesh',
  'GET /v1/backend/mesh/gateways/{gatewayId}',
]
const REPORT = { timestamp: '2026-05-01T10:00:00.123Z', latitude: 41.4, longitude: 2.2, altitude: 0 }

interface Document {
  openapi: string
  info: { title: string; version: string }
  paths: Record<string, Record<string, Operation>>
}
interface Operation {
  summary?: string
  parameters?: { name: string; in: string }[]
  responses: Record<string, { content?: { 'application/json'?: { schema: object } } }>
}

t.test('the description of the API', (t) =>
  withBothStores(t, async (t, { broker }) => {
    const answer = await send(broker, 'http', 'GET', '/openapi.json')
    const document = answer.json as Document

    t.test('/openapi.json is OpenAPI 3.1 and names every route and no other', async (t) => {
      t.equal(answer.status, 200)
      t.match(document.openapi, /^3\.1\.\d+$/)
      t.ok(document.info.title && document.info.version)
      const named = Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
      )
      t.strictSame(named.toSorted(), ROUTES.toSorted())
    })

    t.test('every route has a summary, its path parameters and its success', async (t) => {
      for (const [path, methods] of Object.entries(document.paths)) {
        for (const { summary = '', parameters = [], responses } of Object.values(methods)) {
          t.ok(summary.length > 5, path)
          const named = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
          t.strictSame(
            named.map((name) => `{${name}}`),
            path.match(/\{\w+\}/g) ?? [],
          )
          t.ok(Object.keys(responses).some((status) => status.startsWith('2')))
        }
      }
    })

    t.test('the answers of every route fit the schemas of their description', async (t) => {
      const phone = createPhone(broker, broker.credentials('ann'))
      const device = await phone.post('/v1/sdk/devices', { hardware_id: 'CF:82:00:00:00:01' })
      const contact = await phone.post('/v1/sdk/contacts', { name: 'Marta', phone: '+34600000001' })
      const opened = await phone.post('/v1/sdk/sos', { ...REPORT, deviceId: 'CF:82:00:00:00:01', nodeId: 7 })
      const { id } = readIncident(opened)
      const contactPath = `/v1/sdk/contacts/${readContact(contact, 201).id}`
      const backend = (method: string, path: string, body?: object) =>
        send(broker, 'http', method, `/v1/backend${path}`, {
          headers: { ...backendHeaders(broker), 'Content-Type': 'application/json' },
          ...(body ? { body } : {}),
        })
      const unknown = '00000000-0000-4000-8000-000000000000'
      const answers: [string, HttpAnswer][] = [
        ['POST /v1/sdk/devices', device],
        ['POST /v1/sdk/contacts', contact],
        ['POST /v1/sdk/sos', opened],
        ['POST /v1/sdk/sos', await phone.post('/v1/sdk/sos', { deviceId: 'none' })],
        ['GET /v1/sdk/sos', await phone.get('/v1/sdk/sos')],
        ['POST /v1/sdk/telemetry', await phone.post('/v1/sdk/telemetry', REPORT)],
        ['POST /v1/sdk/telemetry', await phone.post('/v1/sdk/telemetry', [])],
        ['GET /v1/sdk/me', await phone.get('/v1/sdk/me')],
        ['PUT /v1/sdk/me', await phone.put('/v1/sdk/me', { name: 'Ann' })],
        ['GET /v1/sdk/devices', await phone.get('/v1/sdk/devices')],
        ['GET /v1/sdk/contacts', await phone.get('/v1/sdk/contacts')],
        ['PUT /v1/sdk/contacts/{id}', await phone.put(contactPath, { name: 'Jon' })],
        ['DELETE /v1/sdk/contacts/{id}', await phone.delete(`/v1/sdk/contacts/${unknown}`)],
        ['GET /v1/backend/incidents', await backend('GET', '/incidents')],
        ['GET /v1/backend/alerts', await backend('GET', '/alerts?state=all')],
        ['GET /v1/backend/alerts/{id}', await backend('GET', `/alerts/${id}`)],
        ['PUT /v1/backend/nodes/{nodeId}', await backend('PUT', '/nodes/!11223344', { hardwareId: null })],
        ['PUT /v1/backend/nodes/{nodeId}', await backend('PUT', '/nodes/11223344', { hardwareId: null })],
        ['GET /v1/backend/nodes', await backend('GET', '/nodes')],
        ['DELETE /v1/backend/nodes/{nodeId}', await backend('DELETE', '/nodes/!11223344')],
        ['GET /v1/backend/mesh', await backend('GET', '/mesh')],
        ['GET /v1/backend/incidents/{id}', await backend('GET', `/incidents/${id}`)],
        ['GET /v1/backend/incidents/{id}', await backend('GET', `/incidents/${unknown}`)],
        [
          'POST /v1/backend/incidents/{id}/acknowledge',
          await backend('POST', `/incidents/${id}/acknowledge`, { by: 'Op', note: 'on it' }),
        ],
        ['GET /v1/backend/users/{externalUserId}', await backend('GET', '/users/ann')],
        ['POST /v1/sdk/sos/resolve', await phone.post('/v1/sdk/sos/resolve')],
        ['POST /v1/sdk/sos/cancel', await phone.post('/v1/sdk/sos/cancel')],
        ['GET /v1/sdk/sos', await phone.get('/v1/sdk/sos')],
        ['GET /v1/sdk/sos/history', await phone.get('/v1/sdk/sos/history')],
        ['POST /v1/backend/incidents/{id}/resolve', await backend('POST', `/incidents/${id}/resolve`)],
        ['POST /v1/backend/incidents/{id}/cancel', await backend('POST', `/incidents/${id}/cancel`)],
        ['GET /v1/backend/sessions', await backend('GET', '/sessions')],
        ['POST /v1/backend/users/{externalUserId}/kick', await backend('POST', '/users/eve/kick')],
        ['POST /v1/backend/users/{externalUserId}/revoke', await backend('POST', '/users/eve/revoke')],
        ['POST /v1/backend/users/{externalUserId}/unrevoke', await backend('POST', '/users/eve/unrevoke')],
      ]
      for (const [route, { status, json, text }] of answers) {
        const [method = '', path = ''] = route.split(' ')
        const response = document.paths[path]?.[method.toLowerCase()]?.responses[status]
        const schema = response?.content?.['application/json']?.schema
        if (!schema) {
          t.fail(`${route} does not describe its ${status}: ${text}`)
          continue
        }
        const verdict = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(json)
        t.ok(
          verdict.success,
          `${route} ${status}: ${verdict.error ? z.prettifyError(verdict.error) : 'fits'}`,
        )
      }
      t.equal((await phone.delete(`/v1/sdk/devices/${readDevice(device).id}`)).status, 204)
    })

    t.test('/docs is a page with every path that loads nothing from elsewhere', async (t) => {
      const page = await send(broker, 'http', 'GET', '/docs')
      t.equal(page.status, 200)
      t.match(page.headers['content-type'], /^text\/html\b/)
      t.match(page.text, /^<!doctype html>/)
      for (const route of ROUTES) {
        const [method = '', path = ''] = route.split(' ')
        t.ok(page.text.includes(`<span>${method}</span> ${path}<`), route)
      }
      t.notMatch(page.text, /<script|src=|url\(|https?:\/\/(?!json-schema\.org)/)
      t.match(page.headers['content-security-policy'], /default-src 'none'/)
    })

    t.test('the HTTPS port serves the same description', async (t) => {
      t.strictSame((await send(broker, 'https', 'GET', '/openapi.json')).json, document)
    })
  }),
)

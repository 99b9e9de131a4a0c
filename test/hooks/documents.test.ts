import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { signDelivery } from '../../hooks/sign.js'
import { EVENT_SCHEMA, eventJson } from '../../store/event-json.js'
import { backendOf, connectPhone, sosReport, startNodes } from '../support/api.js'
import { root } from '../support/broker.js'
import { newSecret, verifyWebhook } from '../support/webhook-receiver.js'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

t.test('the verifier in docs/webhooks.md is the one that the example and every test use', async (t) => {
  const [, code] = /```js\n(.*?)```/s.exec(read('docs/webhooks.md')) ?? []
  t.equal(code, read('examples/node-backend/verify-webhook.mjs'))
})

t.test(
  'a signature is what openssl makes of it, and holds for these bytes, this time and this secret',
  async (t) => {
    const [secret, other] = [newSecret(), newSecret()]
    const body = Buffer.from(JSON.stringify({ message: 'ayuda ñ 🆘' }))
    const now = new Date('2026-05-01T10:00:00.900Z')
    const headers = { ...signDelivery([secret], 'event-1', body.toString(), now) }
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64').toString('hex')
    const { stdout } = spawnSync(
      'openssl',
      ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${key}`, '-binary'],
      {
        input: Buffer.concat([Buffer.from('event-1.1777629600.'), body]),
      },
    )
    t.equal(headers['webhook-signature'], `v1,${stdout.toString('base64')}`)

    const at = now.getTime()
    t.match(verifyWebhook(secret, headers, body, at), { message: 'ayuda ñ 🆘' })
    t.match(
      verifyWebhook(secret, { ...signDelivery([other, secret], 'event-1', body.toString(), now) }, body, at),
      {},
    )
    const wrong: [string, string, object, Buffer, number][] = [
      ['another secret', other, headers, body, at],
      ['another body', secret, headers, Buffer.from('{}'), at],
      ['another id', secret, { ...headers, 'webhook-id': 'event-2' }, body, at],
      ['another time', secret, { ...headers, 'webhook-timestamp': '1777629601' }, body, at],
      ['no signature', secret, { ...headers, 'webhook-signature': undefined }, body, at],
      ['no time', secret, { ...headers, 'webhook-timestamp': undefined }, body, at],
      ['sent long ago', secret, headers, body, at + 301_000],
    ]
    for (const [what, key, given, bytes, time] of wrong)
      t.throws(() => verifyWebhook(key, given as typeof headers, bytes, time), what)
  },
)

t.test('docs/events.md names every field of the schema and no other', async (t) => {
  const page = read('docs/events.md')
  const first = page.slice(0, page.indexOf('| `type` | when'))
  const table = [...first.matchAll(/^\| `([^`]+)` \| ([^|]+) \| (.+) \|$/gm)]
  t.strictSame(
    table.map(([, name, type, meaning]) => [name, type, meaning]),
    fieldsOf(eventJson.toJSONSchema() as JsonSchema),
  )
  t.ok(page.includes(`now **${EVENT_SCHEMA}**`))
  const [, example] = /```json\n(.*?)```/s.exec(page) ?? []
  t.ok(eventJson.safeParse(JSON.parse(example ?? '')).success, 'its example is an event')
})

t.test('every event of a broker is as the schema says', async (t) => {
  const [broker] = await startNodes(t, 'embedded store')
  const alice = await connectPhone(t, broker, broker.credentials('alice', 'app-a'))
  await alice.report({ message: 'help', deviceId: '17', source: 'button_ui', osWidgetActivation: { a: 1 } })
  await alice.client.publishAsync('sos/alerts', 'no JSON', { qos: 1 })
  await alice.report({ latitude: undefined, longitude: undefined, altitude: undefined, hardwareId: 'x' })
  const { body } = await backendOf(broker).get('/incidents')
  for (const verb of ['acknowledge', 'resolve'])
    await backendOf(broker).post(`/incidents/${body.incidents?.[0]?.id}/${verb}`, {
      by: 'desk',
      note: 'seen',
    })
  await alice.report(sosReport())
  const { events = [] } = (await backendOf(broker).get('/events')).body
  t.strictSame(
    events.map(({ type }) => type),
    ['processed', 'processed', 'processed', 'acknowledged', 'resolved', 'processed'],
  )
  for (const event of events) {
    const { success, error } = eventJson.safeParse(event)
    t.ok(success, error?.message ?? event.type)
  }
})

interface JsonSchema {
  type?: string
  const?: unknown
  enum?: string[]
  description?: string
  properties?: Record<string, JsonSchema>
  required?: string[]
}

/** Name, type and meaning of every field, those inside others with their path. */
function fieldsOf(schema: JsonSchema, prefix = ''): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const values = field.enum?.map((value) => `\`${value}\``).join(', ') ?? field.const
    const isOptional = !schema.required?.includes(name)
    const type = `${values ?? field.type}${isOptional ? ', optional' : ''}`
    return [[prefix + name, type, field.description ?? ''], ...fieldsOf(field, `${prefix}${name}.`)]
  })
}

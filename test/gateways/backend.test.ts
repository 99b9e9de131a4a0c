import t from 'tap'
import { backendOf, startNodes } from '../support/api.js'
import type { Answer, Setup } from '../support/api.js'
import { ANDROID, connectGateway } from '../support/gateways.js'

interface Gateway {
  gatewayId: string
  username: string
  note: string
  createdAt: string
  tokens: { createdAt: string }[]
  sessions: Record<string, unknown>[]
}
interface Made {
  gateway: Gateway
  token: string
  settings: { node: Record<string, unknown>; wearables: Record<string, unknown>; notes: string[] }
}

const made = ({ text }: Answer) => JSON.parse(text) as Made
const listed = ({ text }: Answer) => (JSON.parse(text) as { gateways: Gateway[] }).gateways

for (const setup of ['embedded store', 'redis store'] satisfies Setup[]) {
  t.test(`a gateway is made, listed, given another token and deleted; ${setup}`, async (t) => {
    const [broker] = await startNodes(t, setup)
    const backend = backendOf(broker)
    const answer = await backend.post('/gateways', { gatewayId: 'hut-7', note: 'Hütte' })
    t.equal(answer.status, 201)
    const { gateway, token, settings } = made(answer)
    t.match(gateway, {
      gatewayId: 'hut-7',
      username: 'gw:app-a:hut-7',
      note: 'Hütte',
      tokens: [{ createdAt: gateway.createdAt }],
      sessions: [],
    })
    t.match(token, /^[a-zA-Z0-9]{24}$/)
    t.match(settings.node, {
      'mqtt.address': `127.0.0.1:${broker.ports.mqtts}`,
      'mqtt.username': gateway.username,
      'mqtt.password': token,
      'mqtt.tls_enabled': true,
    })
    t.equal(settings.wearables['lora.config_ok_to_mqtt'], true)

    const session = await connectGateway(t, broker, { username: gateway.username, password: token }, ANDROID)
    await session.publish('msh/2/e/LongFast/!a1b2c3d4', '')
    await backend.post('/gateways', { gatewayId: 'alm' })
    const list = await backend.get('/gateways')
    t.match(
      listed(list).map(({ gatewayId, sessions }) => [gatewayId, sessions]),
      [
        ['alm', []],
        [
          'hut-7',
          [
            {
              transport: 'tcp',
              address: '127.0.0.1',
              version: '5.0',
              nodeId: '!a1b2c3d4',
              lastPublicationAt: /Z$/,
            },
          ],
        ],
      ],
    )
    t.notMatch(list.text, new RegExp(token), 'the token is told once')
    t.notMatch(list.text, /hash/)
    t.strictSame(listed(await backendOf(broker, 'app-b').get('/gateways')), [], 'another app sees none of it')

    const rotated = made(await backend.post('/gateways/hut-7/rotate'))
    t.equal(rotated.gateway.tokens.length, 2)
    t.not(rotated.token, token)
    t.equal(rotated.settings.node['mqtt.password'], rotated.token)
    const { status, text } = await backend.delete('/gateways/hut-7/old-token')
    t.equal(status, 200)
    t.equal((JSON.parse(text) as Made).gateway.tokens.length, 1)
    const leaked = made(await backend.post('/gateways/hut-7/rotate', { endOld: true }))
    t.equal(leaked.gateway.tokens.length, 1)

    for (const path of ['/gateways/hut-7', '/gateways/hut-7/old-token'])
      t.equal((await backendOf(broker, 'app-b').delete(path)).status, 404)
    t.equal((await backend.delete('/gateways/hut-7')).status, 204)
    t.equal((await backend.delete('/gateways/hut-7')).status, 404)
    t.equal((await backend.post('/gateways/hut-7/rotate')).status, 404)
    t.strictSame(
      listed(await backend.get('/gateways')).map(({ gatewayId }) => gatewayId),
      ['alm'],
    )
    t.notMatch(JSON.stringify(broker.log), new RegExp([token, rotated.token, leaked.token].join('|')))
    if (setup === 'embedded store') await refuses(t, backend)
  })
}

/** Names that no node could log in with, and requests that make no sense. */
async function refuses(t: Tap, backend: ReturnType<typeof backendOf>) {
  for (const gatewayId of ['', 'Roof', 'a b', 'a_b', 'a:b', 'é', 'x'.repeat(25), 'version\n']) {
    const { status, body } = await backend.post('/gateways', { gatewayId })
    t.equal(status, 422, JSON.stringify(gatewayId))
    t.match(body.error, { code: 'validation_error', message: 'gatewayId: is 1 to 24 of a-z, 0-9 and -' })
  }
  t.equal((await backend.post('/gateways', { gatewayId: 'x'.repeat(24) })).status, 201)
  t.match(await backend.post('/gateways', { gatewayId: 'alm' }), {
    status: 409,
    body: { error: { code: 'exists' } },
  })
  for (const body of [{}, { gatewayId: 7 }, { gatewayId: 'a', note: 'x'.repeat(201) }, [], '{'])
    t.equal((await backend.post('/gateways', body)).status, 400, JSON.stringify(body))
  t.equal((await backend.post('/gateways/alm/rotate', { endOld: 'yes' })).status, 400)
  t.equal((await backend.post('/gateways/__proto__/rotate')).status, 404)
}

type Tap = Parameters<typeof connectGateway>[0]

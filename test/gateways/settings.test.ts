import t from 'tap'
import {
  gatewayUsername,
  isGatewayUsername,
  problemOfGatewayName,
  readGatewayUsername,
} from '../../auth/gateway-names.js'
import { createGatewayToken, findGatewayToken, hashGatewayToken } from '../../auth/gateway-token.js'
import { gatewayEndpoint } from '../../broker/gateway-endpoint.js'
import { gatewaySettings } from '../../handlers/mesh/gateway-settings.js'
import type { GatewayEndpoint } from '../../handlers/mesh/gateway-settings.js'

/** Bytes that a node holds of each. */
const HOLDS = { 'mqtt.address': 63, 'mqtt.username': 63, 'mqtt.password': 31, 'mqtt.root': 31 }

t.test('a username is read as it was made, and nothing else is one', async (t) => {
  const name = { appId: 'demo-app', gatewayId: 'hut-7' }
  t.equal(gatewayUsername(name), 'gw:demo-app:hut-7')
  t.strictSame(readGatewayUsername('gw:demo-app:hut-7'), name)
  for (const username of [
    'gw:',
    'gw::hut',
    'gw:demo-app',
    'gw:demo-app:',
    'gw:demo-app:Hut',
    'gw:demo-app:a:b',
    'GW:a:b',
  ])
    t.equal(readGatewayUsername(username), null, username)
  t.equal(isGatewayUsername('gw:'), true)
  t.equal(isGatewayUsername('sdk:gw:x'), false)
  t.equal(isGatewayUsername(undefined), false)
})

t.test(
  'an id that a node could not hold in its username is refused, and the message says what fits',
  async (t) => {
    const problem = (appId: string, length: number) =>
      problemOfGatewayName({ appId, gatewayId: 'x'.repeat(length) })
    t.equal(problem('demo-app', 24), null)
    t.match(problem('demo-app', 25), /1 to 24/)
    const long = 'a'.repeat(40)
    t.equal(problem(long, 19), null, '63 bytes in all')
    t.match(problem(long, 20), /at most 19 characters/)
    t.match(problem('é'.repeat(20), 20), /at most 19 characters/, 'bytes, not characters')
    t.match(problem('a'.repeat(60), 1), /leaves none/)
  },
)

t.test('a token fits, has no character that is misread, and is known by its hash alone', async (t) => {
  const tokens = Array.from({ length: 1_000 }, createGatewayToken)
  for (const token of tokens) if (!/^[2-9a-km-zA-HJ-NP-Z]{24}$/.test(token)) t.fail(token)
  t.equal(new Set(tokens).size, 1_000)
  const [old, newest, other] = tokens as [string, string, string]
  const kept = [old, newest].map((token) => ({ hash: hashGatewayToken(token), createdAt: '' }))
  t.equal(findGatewayToken(kept, Buffer.from(old)), kept[0]?.hash)
  t.equal(findGatewayToken(kept, Buffer.from(newest)), kept[1]?.hash)
  for (const given of [other, '', kept[0]?.hash ?? '', old.slice(1), `${old} `])
    t.equal(findGatewayToken(kept, Buffer.from(given)), null)
  t.equal(findGatewayToken(kept, undefined), null)
  t.equal(findGatewayToken([], Buffer.from(old)), null)
  t.equal(findGatewayToken(undefined, Buffer.from(old)), null)
})

t.test('the settings fit into a node, and are those without which nothing arrives', async (t) => {
  const settingsFor = (endpoint: Partial<GatewayEndpoint>) =>
    gatewaySettings({
      username: `gw:${'a'.repeat(35)}:${'x'.repeat(24)}`,
      token: createGatewayToken(),
      endpoint: { host: 'mesh.example', port: 8883, isTls: true, ...endpoint },
    })
  const { node, channel, wearables, notes } = settingsFor({})
  for (const [name, bytes] of Object.entries(HOLDS))
    t.ok(Buffer.byteLength(String(node[name])) <= bytes, `${name}: ${node[name]}`)
  t.match(node, {
    'mqtt.address': 'mesh.example',
    'mqtt.tls_enabled': true,
    'mqtt.encryption_enabled': false,
    'mqtt.json_enabled': false,
    'mqtt.proxy_to_client_enabled': false,
  })
  t.notMatch(node['mqtt.root'], /^msh/, 'which the node would rewrite')
  t.strictSame(channel, {
    uplink_enabled: true,
    downlink_enabled: false,
    'module_settings.position_precision': 32,
  })
  t.equal(wearables['lora.config_ok_to_mqtt'], true)
  t.equal(wearables['module_settings.position_precision'], 32)
  t.notMatch(notes[0], /TLS|address/, 'nothing to say against these')
  t.equal(settingsFor({ port: 1883 }).node['mqtt.address'], 'mesh.example:1883')
  t.equal(settingsFor({ port: 1883, isTls: false }).node['mqtt.address'], 'mesh.example')
  t.match(settingsFor({ isTls: false }).notes[0], /Without TLS/)
  t.match(settingsFor({ host: 'localhost' }).notes[0], /this machine itself/)
  t.match(settingsFor({ host: `${'h'.repeat(40)}.example` }).notes[0], /more than 30 bytes/)
  t.match(settingsFor({ host: `${'h'.repeat(60)}.example` }).notes[0], /more than 63 bytes/)
})

t.test(
  'nodes are sent to the configured address, else to the name that was asked and an open port',
  async (t) => {
    const tls = { host: 'mesh.example', port: 8883, isTls: true }
    t.strictSame(gatewayEndpoint('mqtts://mesh.example', 'asked', {}), tls)
    t.strictSame(gatewayEndpoint('mqtts://mesh.example:443', 'asked', {}), { ...tls, port: 443 })
    t.strictSame(gatewayEndpoint('mqtt://mesh.example', 'asked', {}), { ...tls, port: 1883, isTls: false })
    t.strictSame(gatewayEndpoint(undefined, 'asked', { mqtt: 1, mqtts: 2 }), {
      host: 'asked',
      port: 2,
      isTls: true,
    })
    t.strictSame(gatewayEndpoint(undefined, 'asked', { mqtt: 1 }), { host: 'asked', port: 1, isTls: false })
  },
)

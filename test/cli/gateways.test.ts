import t from 'tap'
import { startBroker } from '../support/broker.js'
import { runCli, settingsOf } from '../support/cli.js'
import { connectGateway, ANDROID } from '../support/gateways.js'
import { positionOf, published } from '../support/mesh-gateway.js'
import { refusedConnack } from '../support/phone.js'

interface Made {
  gateway: { gatewayId: string; username: string; tokens: object[] }
  token: string
  settings: Record<'node' | 'channel' | 'wearables', Record<string, unknown>>
}
interface Status {
  gateways: { gatewayId: string; heard: { outcomes: Record<string, number> } | null }[]
  why: { code: string; gatewayId?: string; node?: string; channel?: string }[]
}

const broker = await startBroker(t)
const cli = (...args: string[]) => runCli(t, ['gateways', ...args], settingsOf(broker))
const loginWith = (token: string) => ({ username: 'gw:demo-app:hut-7', password: token })
const isRefused = async (token: string) => {
  const { username, password } = loginWith(token)
  const connect = { protocolVersion: 4, username, password: Buffer.from(password) } as const
  return (await refusedConnack(t, broker.ports.mqtt, connect)).returnCode === 5
}
const statusOf = async (...args: string[]) => (await cli('status', ...args, '--json')).json<Status>()
const codes = ({ why }: Status) => why.map(({ code }) => code)

t.test('a gateway that is made logs in with exactly what was printed', async (t) => {
  const made = await cli('add', 'hut-7', '--note', 'roof of the hut', '--host', 'mesh.example')
  t.match(made, { code: 0, errors: '' })
  for (const line of [
    /^ {2}mqtt\.enabled +true$/m,
    new RegExp(`^ {2}mqtt\\.address +mesh\\.example:${broker.ports.mqtts}$`, 'm'),
    /^ {2}mqtt\.username +gw:demo-app:hut-7$/m,
    /^ {2}mqtt\.root +eixam$/m,
    /^ {2}mqtt\.encryption_enabled +false$/m,
    /^ {2}mqtt\.tls_enabled +true$/m,
    /^ {2}uplink_enabled +true$/m,
    /^ {2}downlink_enabled +false$/m,
    /^ {2}module_settings\.position_precision +32$/m,
    /EVERY WEARABLE[^]*^ {2}lora\.config_ok_to_mqtt +true$/m,
    /^- mqtt\.root: a root that begins with msh/m,
  ])
    t.match(made.output, line)
  const token = /^ {2}mqtt\.password +(\S{24})$/m.exec(made.output)?.[1] ?? ''
  const client = await connectGateway(t, broker, loginWith(token), ANDROID)
  t.strictSame(codes(await statusOf('hut-7')), ['silent'])

  const now = Date.now()
  await client.publish(...published(positionOf(0x11223344, now, 41), { gateway: '!a1b2c3d4' }))
  const sealed = { key: Buffer.alloc(16, 9), hash: 77 }
  const foreign = positionOf(0x55667788, now, 42, { encryptFor: sealed, bitfield: 0 })
  await client.publish(...published(foreign, { channel: 'Rescue', gateway: '!a1b2c3d4' }))
  const [status, text, list] = await Promise.all([statusOf('hut-7'), cli('status'), cli('list')])
  t.match(list.output, /^hut-7 +1 +1 +\S+ +roof of the hut$/m)
  t.match(status.gateways, [{ gatewayId: 'hut-7', heard: { outcomes: { unmapped: 1, undecryptable: 1 } } }])
  t.match(status.why, [
    { code: 'undecryptable', gatewayId: 'hut-7', channel: 'Rescue' },
    { code: 'unmapped-node', node: '!11223344' },
  ])
  t.match(text.output, /^hut-7 +tcp 5\.0 +\S+ +!a1b2c3d4 +unmapped 1, undecryptable 1$/m)
  t.match(text.output, /^- undecryptable \(hut-7, Rescue, 1\): No key of this channel fits/m)
  t.match(text.output, /^- unmapped-node \(!11223344\): /m)
})

t.test('a token is rotated without a gap, and ends', async (t) => {
  const first = (await cli('rotate', 'hut-7', '--json')).json<Made>()
  t.equal(first.gateway.tokens.length, 2)
  const staying = await connectGateway(t, broker, loginWith(first.token))
  t.match(await cli('end-old', 'hut-7'), { code: 0, output: 'gateway hut-7 has one token\n' })
  await staying.ping()
  const second = (await cli('rotate', 'hut-7', '--end-old', '--json')).json<Made>()
  t.equal(second.gateway.tokens.length, 1)
  await staying.raw.untilClosed()
  t.ok(await isRefused(first.token))
  await connectGateway(t, broker, loginWith(second.token))
  t.match(await cli('remove', 'hut-7'), { code: 0, output: 'gateway hut-7 is shut out\n' })
  t.ok(await isRefused(second.token))
  t.match(await statusOf(), { gateways: [], why: [{ code: 'undecryptable' }, { code: 'unmapped-node' }] })
})

t.test('what goes wrong is one line and exit code 1; a wrong command line is 2', async (t) => {
  const [status, rotate, add, usage] = await Promise.all([
    cli('status', 'hut-8'),
    cli('rotate', 'hut-8'),
    cli('add', 'Hut 8'),
    cli('add'),
  ])
  t.match(status, { code: 1, errors: 'connect-broker: demo-app has no gateway hut-8\n' })
  t.match(rotate, { code: 1, errors: /\(404\)\n$/ })
  t.match(add, { code: 1, errors: /gatewayId: .*\(422\)\n$/ })
  t.match(usage, { code: 2, errors: /missing required argument/ })
})

import t from 'tap'
import { whyNothingArrives } from '../../handlers/mesh/why-nothing.js'
import { BEGIN, positionOf, published } from '../support/mesh-gateway.js'
import { openMeshHost } from '../support/mesh-host.js'

t.test(
  'a gateway that passes on nothing but its own packets is told apart from one that hears others',
  async (t) => {
    const host = await openMeshHost(t)
    const own = { gateway: '!000000aa' }
    const codesOf = (gatewayId: string) =>
      whyNothingArrives(host.mesh.statuses.of('demo-app'), [], new Set())
        .filter((hint) => hint.gatewayId === gatewayId)
        .map(({ code, count }) => `${code} ${count ?? ''}`.trim())
    for (const minute of [1, 2])
      await host.send(
        'gw-1',
        ...published(positionOf(0xaa, BEGIN + minute * 60_000, 41), own),
        BEGIN + minute * 60_000,
      )
    t.strictSame(codesOf('gw-1'), ['own-packets-only 2'])
    await host.send('gw-1', ...published(positionOf(0xbb, BEGIN, 41), own), BEGIN)
    t.strictSame(codesOf('gw-1'), [], 'config_ok_to_mqtt is set on a wearable now')

    await host.send('gw-2', 'eixam/nothing', 'x', BEGIN)
    const [, payload] = published(positionOf(0xbb, BEGIN, 41), { gateway: '!000000cc' })
    await host.send('gw-2', 'eixam/2/e/LongFast/!000000dd', payload, BEGIN)
    await host.send('gw-2', 'eixam/2/e/LongFast/!000000cc', 'no envelope', BEGIN)
    t.strictSame(codesOf('gw-2'), ['gateway-mismatch 1', 'bad-topic 1', 'malformed 1', 'renumbered-gateway'])
  },
)

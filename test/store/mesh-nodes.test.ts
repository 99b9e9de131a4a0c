import t from 'tap'
import { HEARD_MAX, NODES_MAX } from '../../store/mesh.js'
import type { HeardNode } from '../../store/mesh.js'
import { nodeIdOf } from '../../store/node-ids.js'
import { createStorePlace, STORE_KINDS } from '../support/stores.js'

for (const kind of STORE_KINDS) {
  t.test(`${kind}: what is known of a node is kept per app, over a restart too`, async (t) => {
    const place = await createStorePlace(t, kind)
    const { mesh, stop } = await place.open()
    t.strictSame((await mesh.readNodes('a', null))?.nodes, new Map())
    t.equal(await mesh.changeNode('a', '!11223344', () => ({ hardwareId: 'CF:82:00:00:00:01' })), true)
    await mesh.changeNode('a', '!11223344', (node) => ({ ...node, publicKey: '02' }))
    await mesh.changeNode('a', '!00000005', () => ({ hardwareId: null, radioId: 0x1234 }))
    await mesh.changeNode('a:b', '!11223344', () => ({ hardwareId: 'other' }))
    await mesh.changeNode('a', '!99999999', () => null)
    await stop()

    const again = (await place.open()).mesh
    const nodesOf = async (appId: string) => (await again.readNodes(appId, null))?.nodes
    const both = new Map([
      ['!11223344', { hardwareId: 'CF:82:00:00:00:01', publicKey: '02' }],
      ['!00000005', { hardwareId: null, radioId: 0x1234 }],
    ])
    t.same(await nodesOf('a'), both)
    t.same(await nodesOf('a:b'), new Map([['!11223344', { hardwareId: 'other' }]]))
    await again.changeNode('a', '!11223344', () => null)
    t.same(await nodesOf('a'), new Map([['!00000005', { hardwareId: null, radioId: 0x1234 }]]))
  })

  t.test(`${kind}: a version names one state of the nodes`, async (t) => {
    const { mesh } = await (await createStorePlace(t, kind)).open()
    const versions = new Set<string>()
    for (const radioId of [1, 2, 1]) {
      await mesh.changeNode('a', '!11223344', () => ({ radioId }))
      const read = await mesh.readNodes('a', [...versions].at(-1) ?? null)
      t.same(read?.nodes.get('!11223344'), { radioId })
      versions.add(read?.version ?? '')
      t.equal(await mesh.readNodes('a', read?.version ?? ''), null, 'nothing new')
    }
    t.equal(versions.size, 3)
  })

  t.test(`${kind}: changes of one node at once all count`, async (t) => {
    const { mesh } = await (await createStorePlace(t, kind)).open()
    await Promise.all(
      Array.from({ length: 20 }, () =>
        mesh.changeNode('a', '!11223344', (node) => ({ radioId: (node.radioId ?? 0) + 1 })),
      ),
    )
    t.same((await mesh.readNodes('a', null))?.nodes.get('!11223344'), { radioId: 20 })
  })

  t.test(`${kind}: an app has at most NODES_MAX nodes, and those can still be changed`, async (t) => {
    const place = await createStorePlace(t, kind)
    const { mesh } = await place.open()
    if (place.redis) {
      const key = 'cb:{a}:mesh-nodes'
      await mesh.changeNode('a', nodeIdOf(0), () => ({ radioId: 0 }))
      const fields = Array.from({ length: NODES_MAX - 1 }, (_, i) => [nodeIdOf(i + 1), '{}']).flat()
      await place.redis.client.hset(key, ...fields)
    } else {
      const numbers = Array.from({ length: NODES_MAX }, (_, i) => i)
      await Promise.all(numbers.map((i) => mesh.changeNode('a', nodeIdOf(i), () => ({ radioId: i }))))
    }
    t.equal(await mesh.changeNode('a', '!ffff0000', () => ({ radioId: 1 })), false)
    t.equal(await mesh.changeNode('a', nodeIdOf(7), () => ({ radioId: 8 })), true)
    t.equal(await mesh.changeNode('a', nodeIdOf(8), () => null), true)
    t.equal(await mesh.changeNode('a', '!ffff0000', () => ({ radioId: 1 })), true)
    t.equal((await mesh.readNodes('a', null))?.nodes.size, NODES_MAX)
  })

  t.test(`${kind}: of the nodes that were heard the latest HEARD_MAX are remembered`, async (t) => {
    const place = await createStorePlace(t, kind)
    const { mesh, stop } = await place.open()
    t.strictSame(await mesh.readHeard('a'), [])
    await mesh.noteHeard('a', [heardAt(1, 5_000_000), heardAt(2, 1)])
    await mesh.noteHeard('other', [heardAt(1, 1)])
    const many = Array.from({ length: HEARD_MAX + 100 }, (_, i) => heardAt(1_000 + i, 1_000 + i))
    await mesh.noteHeard('a', many)
    await mesh.noteHeard('a', [{ ...heardAt(1, 6_000_000), longName: 'Nina' }])
    await stop()
    const heard = await (await place.open()).mesh.readHeard('a')
    t.equal(heard.length, HEARD_MAX)
    t.match(
      heard.find(({ nodeId }) => nodeId === '!00000001'),
      { longName: 'Nina' },
    )
    const numbers = heard.map(({ nodeId }) => Number.parseInt(nodeId.slice(1), 16)).toSorted((a, b) => a - b)
    t.equal(numbers[1], 1_000 + 101, 'those that were heard longest ago are gone')
    t.equal((await (await place.open()).mesh.readHeard('other')).length, 1)
  })
}

function heardAt(number: number, ms: number): HeardNode {
  const at = new Date(Date.parse('2026-05-01T10:00:00Z') + ms).toISOString()
  return { nodeId: nodeIdOf(number), firstHeardAt: at, lastHeardAt: at, gateways: [{ gatewayId: 'g', at }] }
}

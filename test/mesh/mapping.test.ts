import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { askAgain } from '../support/ask-again.js'
import { backendOf, register, sdkOf } from '../support/api.js'
import type { Answer } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { alertOf, BEGIN, nodeInfoOf, positionOf, published } from '../support/mesh-gateway.js'
import { countOf, MESH_APP, openMeshHost } from '../support/mesh-host.js'
import { startRedis } from '../support/redis.js'

interface NodeJson {
  nodeId: string
  state: string
  why: string
  user: { externalUserId: string } | null
  hardwareId?: string | null
  suggestion?: { hardwareId: string }
  heard: Record<string, unknown> | null
}

t.test('whose a node is, over HTTP, while another broker on the same Redis hears the mesh', async (t) => {
  const redis = await startRedis(t)
  const appsFile = join(temporaryDirectory(t), 'apps.json')
  const other = { ...MESH_APP, appId: 'other-app', secrets: ['secret of the other'] }
  writeFileSync(appsFile, JSON.stringify({ apps: [MESH_APP, other] }))
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url, APPS_FILE: appsFile } })
  const host = await openMeshHost(t, { redisUrl: redis.url })
  const backend = backendOf(broker, 'demo-app', 'a secret')
  const nodesOf = (answer: Answer) => answer.body as unknown as { nodes: NodeJson[]; next: string | null }
  const nodeOf = ({ body }: Answer) => (body as unknown as { node: NodeJson }).node
  const phoneOf = (name: string) => sdkOf(broker, broker.credentials(name))
  let now = BEGIN
  const hear = (packet: Parameters<typeof published>[0]) =>
    host.send('gw-1', ...published(packet), (now += 1_000))
  /** Raises an SOS from a node and says whose it became; the incidents are closed again. */
  const sosOf = async (from: number): Promise<string> => {
    await hear(alertOf(from, now))
    const open = (await backend.get('/incidents?limit=50')).body.incidents ?? []
    const alerts = (await backend.get('/alerts')).body.alerts ?? []
    for (const { id } of open) await backend.post(`/incidents/${id}/resolve`)
    for (const { id } of alerts) await backend.post(`/alerts/${id}/resolve`)
    return [
      ...open.map((one) => one.user?.externalUserId ?? '?'),
      ...alerts.map(({ sender }) => String(sender)),
    ].join()
  }

  await t.test(
    'a node is found by its device’s MAC address, also by the one that Bluetooth shows',
    async (t) => {
      await register(phoneOf('alice'), 'CF:82:11:22:33:44')
      await register(phoneOf('bob'), '24:6F:28:AA:BB:CE')
      t.equal(await sosOf(0x11223344), 'alice')
      t.equal(await sosOf(0x28aabbcc), 'bob')
      t.equal(await sosOf(0x99999999), '!99999999')
      await register(phoneOf('carol'), 'AA:BB:11:22:33:44')
      t.equal(await sosOf(0x11223344), '!11223344', 'two devices with such an address: nobody guesses')
      await backend.put('/nodes/!11223344', { hardwareId: 'cf:82:11:22:33:44' })
      t.equal(await sosOf(0x11223344), 'alice', 'until the backend says whose it is')
    },
  )

  await t.test('what the backend says decides, from the next packet on', async (t) => {
    const put = await backend.put('/nodes/!99999999', { hardwareId: '24:6f:28:aa:bb:ce' })
    t.equal(put.status, 200)
    t.match(nodeOf(put), { state: 'mapped', why: 'explicit', user: { externalUserId: 'bob' } })
    t.equal(await sosOf(0x99999999), 'bob')
    t.match(nodeOf(await backend.put('/nodes/!28AABBCC', { hardwareId: null })), {
      nodeId: '!28aabbcc',
      state: 'unclaimed',
      why: 'declared',
    })
    t.equal(await sosOf(0x28aabbcc), '!28aabbcc', 'nobody’s, whatever the MAC address says')
    t.match(nodeOf(await backend.delete('/nodes/!28aabbcc')), { state: 'mapped', why: 'mac' })
    t.equal(await sosOf(0x28aabbcc), 'bob')
    t.match(nodeOf(await backend.put('/nodes/!99999999', { hardwareId: 'not registered' })), {
      state: 'unclaimed',
      why: 'unregistered',
      user: null,
    })
    t.equal(await sosOf(0x99999999), '!99999999')
  })

  await t.test('an upgrade to firmware 2.8 keeps the person', async (t) => {
    const publicKey = Buffer.alloc(32, 2)
    t.equal(crc32(publicKey), 0xef7dc16f)
    t.equal(await sosOf(0xef7dc16f), '!ef7dc16f')
    await hear(nodeInfoOf(0x28aabbcc, { longName: 'Bob', publicKey }))
    await until(async () => (await backend.get('/nodes?limit=200')).text.includes(publicKey.toString('hex')))
    t.equal(await sosOf(0xef7dc16f), 'bob')
    t.equal(await sosOf(0x28aabbcc), 'bob', 'and so does the number before')
    const spoofed = Buffer.alloc(32, 3)
    await hear(nodeInfoOf(0x28aabbcc, { longName: 'Mallory', publicKey: spoofed }))
    const later = Buffer.alloc(32, 4)
    await hear(nodeInfoOf(0x11223344, { publicKey: later }))
    await until(async () => (await backend.get('/nodes?limit=200')).text.includes(later.toString('hex')))
    const spoofedId = `!${crc32(spoofed).toString(16).padStart(8, '0')}`
    t.equal(await sosOf(crc32(spoofed)), spoofedId, 'a later key of the same number is only a claim')
    await backend.delete('/nodes/!28aabbcc')
    t.equal(await sosOf(0xef7dc16f), '!ef7dc16f', 'the backend can have it forgotten')
  })

  await t.test(
    'a key made for the number of somebody else takes nothing away from him in silence',
    async (t) => {
      // The node of dora, whose number is the one of a key that the node of emil shows.
      const key = Buffer.alloc(32, 9)
      const number = crc32(key)
      const tail = number.toString(16).padStart(8, '0').toUpperCase().match(/../g)!.join(':')
      await register(phoneOf('dora'), `C0:00:${tail}`)
      await register(phoneOf('emil'), 'C0:00:00:00:00:77')
      t.equal(await sosOf(number), 'dora')
      await hear(nodeInfoOf(0x77, { publicKey: key }))
      await until(async () => (await backend.get('/nodes?limit=200')).text.includes(key.toString('hex')))
      t.equal(
        await sosOf(number),
        `!${number.toString(16).padStart(8, '0')}`,
        'nobody’s, which somebody sees',
      )
    },
  )

  await t.test('the list tells mapped, suggested and unclaimed nodes apart', async (t) => {
    await register(phoneOf('fred'), 'AC:67:B2:00:00:0C')
    await hear(nodeInfoOf(0x40000001, { longName: 'Fred', mac: 'AC:67:B2:00:00:0C' }))
    await hear(positionOf(0x40000002, now, 47))
    await hear(nodeInfoOf(0x11223344, { publicKey: Buffer.alloc(32, 5) }))
    await host.stop()
    const all = nodesOf(await backend.get('/nodes?limit=200')).nodes
    const byId = new Map(all.map((node) => [node.nodeId, node]))
    t.match(byId.get('!40000001'), {
      state: 'suggested',
      suggestion: { hardwareId: 'AC:67:B2:00:00:0C' },
      heard: { longName: 'Fred', gateways: [{ gatewayId: 'gw-1', node: '!a1b2c3d4' }] },
    })
    t.match(byId.get('!40000002'), {
      state: 'unclaimed',
      heard: { precisionBits: 32, fix: { latitude: 47 } },
    })
    t.match(byId.get('!11223344'), {
      state: 'mapped',
      why: 'explicit',
      user: { externalUserId: 'alice' },
      hasOtherKey: true,
    })
    for (const state of ['mapped', 'suggested', 'unclaimed']) {
      const ids: string[] = []
      for (let after = ''; ;) {
        const page = nodesOf(await backend.get(`/nodes?state=${state}&limit=2&after=${after}`))
        ids.push(...page.nodes.map(({ nodeId }) => nodeId))
        if (page.next === null) break
        after = page.next
      }
      t.strictSame(
        ids,
        all.filter((node) => node.state === state).map(({ nodeId }) => nodeId),
        state,
      )
    }
    t.strictSame(
      nodesOf(await backendOf(broker, 'other-app', 'secret of the other').get('/nodes')).nodes,
      [],
      'of the own app alone',
    )
    t.equal(await countOf(host, 'unmapped'), 1)
  })

  await t.test('what is no mapping is refused', async (t) => {
    for (const [path, body, status] of [
      ['/nodes/11223344', { hardwareId: 'a' }, 400],
      ['/nodes/!1122334', { hardwareId: 'a' }, 400],
      ['/nodes/!ffffffff', { hardwareId: 'a' }, 400],
      ['/nodes/!00000000', { hardwareId: 'a' }, 400],
      ['/nodes/!11223344', {}, 400],
      ['/nodes/!11223344', { hardwareId: ' ' }, 400],
      ['/nodes/!11223344', { hardwareId: 'a', radioId: 65_536 }, 400],
      ['/nodes/!00000010', { hardwareId: 'a', radioId: 7 }, 200],
      ['/nodes/!00000011', { hardwareId: 'b', radioId: 7 }, 409],
      ['/nodes/!00000010', { hardwareId: 'b' }, 200],
    ] as const)
      t.equal((await backend.put(path, body)).status, status, `${path} ${JSON.stringify(body)}`)
    t.match(
      nodeOf(await backend.put('/nodes/!00000010', { hardwareId: 'c' })),
      { radioId: 7 },
      'the radio id stays',
    )
    t.equal((await sdkOf(broker, broker.credentials('alice')).get('/nodes')).status, 404)
    t.equal((await backendOf(broker, 'demo-app', 'wrong').get('/nodes')).status, 401)
  })
})

/** Asks again until it is so; a key is remembered after the packet was taken. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await askAgain()
}

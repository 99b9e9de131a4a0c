import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { temporaryDirectory } from '../support/broker.js'
import { BEGIN, nodeInfoOf, positionOf, published, telemetryOf } from '../support/mesh-gateway.js'
import { countOf, MESH_APP, openMeshHost, registerDevice } from '../support/mesh-host.js'
import { encodeEixamTel } from '../support/mesh-packets.js'
import { startRedis } from '../support/redis.js'
import { user } from '../support/stores.js'

const alice = user('alice')
const MAC = 'CF:82:11:22:33:44'
const NODE = 0x11223344
const HOUR = 3_600_000

for (const kind of ['embedded', 'redis'] as const) {
  t.test(`${kind}: a gateway's position is the last one only while it is the newest`, async (t) => {
    const host = await openMeshHost(t, kind === 'redis' ? { redisUrl: (await startRedis(t)).url } : {})
    const { store, send } = host
    await registerDevice(store, alice, MAC)
    const lastOf = async () => (await store.telemetry.readLastPosition(alice))?.position?.latitude
    const phone = (atMs: number, latitude: number) =>
      store.telemetry.append({
        ...alice,
        // As older phones write it.
        occurredAt: new Date(atMs).toISOString().replace('Z', '+0000'),
        receivedAt: new Date(atMs).toISOString(),
        position: { latitude, longitude: 2 },
        fields: {},
      })
    const mesh = (atMs: number, latitude: number, arrivedAt = atMs) =>
      send('gw-1', ...published(positionOf(NODE, atMs, latitude)), arrivedAt)

    await mesh(BEGIN, 1)
    t.equal(await lastOf(), 1)
    await phone(BEGIN + 60_000, 2)
    await mesh(BEGIN + 30_000, 3, BEGIN + 90_000)
    t.equal(await lastOf(), 2, 'never over a fresher fix of the phone')
    await mesh(BEGIN + 120_000, 4)
    t.equal(await lastOf(), 4)
    await mesh(BEGIN + 120_000, 5)
    t.equal(await lastOf(), 4, 'played back with a new id: not newer')
    await mesh(BEGIN + 130_000, 6, BEGIN + 130_000 + 7 * HOUR)
    t.equal(await lastOf(), 4, 'late: history')
    await Promise.all([200, 210, 220, 230].map((s) => mesh(BEGIN + s * 1_000, s / 10, BEGIN + 240_000)))
    t.equal(await lastOf(), 23, 'of several at once the newest')

    const kept = await store.telemetry.readLatest('demo-app', 99)
    t.equal(kept.length, 10, 'all of them are kept')
    t.equal(kept.filter(({ isHistory }) => isHistory).length, 3)
    t.match(kept[0], {
      externalUserId: 'alice',
      occurredAt: '2026-05-01T10:03:50.000Z',
      fields: {
        source: 'gateway',
        hardwareId: MAC,
        mesh: { gatewayId: 'gw-1', heardBy: '!a1b2c3d4', node: '!11223344', precisionBits: 32 },
      },
    })
  })

  t.test(`${kind}: copies of five gateways are one, and a battery is no position`, async (t) => {
    const host = await openMeshHost(t, kind === 'redis' ? { redisUrl: (await startRedis(t)).url } : {})
    await registerDevice(host.store, alice, MAC)
    const gateways = ['!a0000001', '!a0000002', '!a0000003', '!a0000004', '!a0000005']
    const packets = [
      positionOf(NODE, BEGIN, 41),
      telemetryOf(NODE, BEGIN, 101),
      nodeInfoOf(NODE, { longName: 'Ali' }),
    ]
    const tel = { ...positionOf(NODE, BEGIN, 0), port: 257 }
    const radio = {
      ...tel,
      payload: encodeEixamTel({ device: 1, position: { latitude: 42, longitude: 2, altitude: 0 } }),
    }
    for (const packet of [...packets, radio])
      await Promise.all(
        gateways.map((gateway) => host.send(gateway.slice(1), ...published(packet, { gateway }), BEGIN)),
      )
    const kept = (await host.store.telemetry.readLatest('demo-app', 99)).toReversed()
    t.equal(kept.length, 3)
    t.match(kept[1]?.fields, {
      deviceBattery: 100,
      mesh: { battery: { isPowered: true }, voltage: Math.fround(3.7) },
    })
    t.equal(kept[1]?.position, undefined)
    t.match(kept[2], { isHistory: true, fields: { mesh: { radio: { device: 1, battery: 3 } } } })
    t.equal(await countOf(host, 'copy'), 16)
    const [node] = await host.mesh.heard.list('demo-app')
    t.match(node, { nodeId: '!11223344', longName: 'Ali', firmware: '2.5', isOkToMqtt: true })
    t.equal(node?.gateways.length, 5, 'who else heard it is known')
  })
}

t.test('two brokers that hear the same packet keep it once', async (t) => {
  const redis = await startRedis(t)
  const [one, two] = [
    await openMeshHost(t, { redisUrl: redis.url }),
    await openMeshHost(t, { redisUrl: redis.url }),
  ]
  await registerDevice(one.store, alice, MAC)
  const packet = positionOf(NODE, BEGIN, 41)
  await one.send('gw-1', ...published(packet), BEGIN)
  await two.send('gw-2', ...published(packet), BEGIN + 1_000)
  t.equal((await one.store.telemetry.readLatest('demo-app', 9)).length, 1)
  t.equal(await countOf(two, 'copy'), 1)
})

t.test('a node or a gateway that says more than a mesh can is cut', async (t) => {
  const host = await openMeshHost(t)
  await registerDevice(host.store, alice, MAC)
  for (let i = 0; i < 100; i++)
    await host.send('gw-1', ...published(positionOf(NODE, BEGIN + i, 41)), BEGIN + i)
  t.equal(await countOf(host, 'rate'), 40)
  await host.send('gw-1', ...published(positionOf(NODE, BEGIN + 60_000, 42)), BEGIN + 60_000)
  t.equal(await countOf(host, 'rate'), 40)
  t.equal((await host.store.telemetry.readLatest('demo-app', 200)).length, 61)
})

t.test('a channel’s key comes with the apps file and its next reading', async (t) => {
  const directory = temporaryDirectory(t)
  const key = Buffer.alloc(32, 7)
  const rescue = { name: 'Rescue', key: key.toString('base64') }
  const host = await openMeshHost(t, { directory })
  await registerDevice(host.store, alice, MAC)
  const hash = [...Buffer.from('Rescue'), ...key].reduce((all, byte) => all ^ byte, 0)
  const send = (atMs: number) =>
    host.send(
      'gw-1',
      ...published({ ...positionOf(NODE, atMs, 41), encryptFor: { key, hash } }, { channel: 'Rescue' }),
      atMs,
    )
  await send(BEGIN)
  t.equal(await countOf(host, 'undecryptable'), 1)
  const { mesh } = MESH_APP
  writeFileSync(
    join(directory, 'mesh-apps.json'),
    JSON.stringify({ apps: [{ ...MESH_APP, mesh: { ...mesh, channels: [...mesh.channels, rescue] } }] }),
  )
  host.reloadApps()
  await send(BEGIN + 60_000)
  t.equal(await countOf(host, 'telemetry'), 1)
  appendFileSync(join(directory, 'mesh-apps.json'), 'broken')
  host.reloadApps()
  await send(BEGIN + 120_000)
  t.equal(await countOf(host, 'telemetry'), 2, 'a broken file changes nothing')
})

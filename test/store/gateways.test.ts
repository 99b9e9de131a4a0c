import t from 'tap'
import type { GatewayRecord } from '../../store/gateways.js'
import { createStorePlace, STORE_KINDS } from '../support/stores.js'

const AT = '2026-05-01T10:00:00.000Z'

function gateway(gatewayId: string, ...hashes: string[]): GatewayRecord {
  return { gatewayId, createdAt: AT, note: '', tokens: hashes.map((hash) => ({ hash, createdAt: AT })) }
}

for (const kind of STORE_KINDS) {
  t.test(`${kind}: gateways are kept per app, over a restart too`, async (t) => {
    const place = await createStorePlace(t, kind)
    const first = await place.open()
    t.strictSame((await first.gateways.read('a', null))?.gateways, new Map())
    for (const [appId, id] of [
      ['a', 'roof'],
      ['a', 'version'],
      ['a:b', 'roof'],
    ] as const)
      t.equal(
        await first.gateways.change(appId, id, (before) => ({
          gateway: gateway(id, `${appId} ${id}`),
          result: before,
        })),
        null,
        'none was there',
      )
    await first.stop()

    const second = await place.open()
    const setOf = async (appId: string) => (await second.gateways.read(appId, null))?.gateways
    const [roof, namedVersion] = [gateway('roof', 'a roof'), gateway('version', 'a version')]
    t.strictSame(
      new Map([...((await setOf('a')) ?? [])].toSorted()),
      new Map([
        ['roof', roof],
        ['version', namedVersion],
      ]),
    )
    t.strictSame(await setOf('a:b'), new Map([['roof', gateway('roof', 'a:b roof')]]))
    t.strictSame(await setOf('another'), new Map())
    t.strictSame(
      await second.gateways.change('a', 'roof', (before, count) => ({
        gateway: null,
        result: [before, count],
      })),
      [roof, 2],
    )
    t.strictSame(await setOf('a'), new Map([['version', namedVersion]]))
    t.strictSame(
      await second.gateways.change('a', 'never there', (before, count) => ({
        gateway: null,
        result: [before, count],
      })),
      [null, 1],
    )
  })

  t.test(`${kind}: changes of one gateway at once all take part`, async (t) => {
    const place = await createStorePlace(t, kind)
    const store = await place.open()
    // With Redis also over another node; the embedded store has one process.
    const stores = place.redis ? [store, await place.open()] : [store]
    const counts = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        stores[i % stores.length]!.gateways.change('a', 'roof', (before) => {
          const hashes = [...(before?.tokens ?? []).map(({ hash }) => hash), String(i)]
          return { gateway: gateway('roof', ...hashes), result: hashes.length }
        }),
      ),
    )
    t.strictSame(
      counts.toSorted((one, other) => one - other),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
    t.equal((await store.gateways.read('a', null))?.gateways.get('roof')?.tokens.length, 20)
  })

  t.test(`${kind}: a version names one state of the gateways`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const versions = new Set<string>()
    let version: string | null = null
    for (const change of [
      undefined,
      gateway('roof', '1'),
      gateway('roof', '2'),
      null,
      gateway('roof', '1'),
    ]) {
      if (change !== undefined)
        await store.gateways.change('a', 'roof', () => ({ gateway: change, result: null }))
      const read = await store.gateways.read('a', version)
      t.ok(read, 'the change is seen')
      version = read!.version
      versions.add(version)
      t.equal(await store.gateways.read('a', version), null, 'nothing new since')
      await store.gateways.change('a', 'roof', (before) => ({ result: before }))
      await store.gateways.change('b', 'roof', () => ({ gateway: gateway('roof', '1'), result: null }))
      t.equal(await store.gateways.read('a', version), null, 'to look changes nothing, nor does another app')
    }
    t.equal(versions.size, 5)
  })
}

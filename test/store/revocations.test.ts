import t from 'tap'
import { createStorePlace, STORE_KINDS, user } from '../support/stores.js'

const AT = '2026-05-01T10:00:00.000Z'
const LATER = '2026-05-02T10:00:00.000Z'

for (const kind of STORE_KINDS) {
  t.test(`${kind}: revoked users are kept per app, over a restart too`, async (t) => {
    const place = await createStorePlace(t, kind)
    const first = await place.open()
    const [alice, bob, namesake] = [user('alice', 'a'), user('bob', 'a'), user('alice', 'a:b')]
    t.strictSame((await first.revocations.read('a', null))?.revokedAt, new Map())
    t.equal(await first.revocations.revoke(alice, AT), AT)
    t.equal(await first.revocations.revoke(bob, LATER), LATER)
    t.equal(await first.revocations.revoke(alice, LATER), AT, 'the first time counts')
    t.equal(await first.revocations.revoke(namesake, LATER), LATER)
    await first.stop()

    const second = await place.open()
    const setOf = async (appId: string) => (await second.revocations.read(appId, null))?.revokedAt
    t.strictSame(
      await setOf('a'),
      new Map([
        [alice.userId, AT],
        [bob.userId, LATER],
      ]),
    )
    t.strictSame(await setOf('a:b'), new Map([[namesake.userId, LATER]]))
    t.strictSame(await setOf('another'), new Map())
    await second.revocations.unrevoke(alice)
    await second.revocations.unrevoke(user('never revoked', 'a'))
    t.strictSame(await setOf('a'), new Map([[bob.userId, LATER]]))
    t.equal(await second.revocations.revoke(alice, LATER), LATER, 'and again')
  })

  t.test(`${kind}: a version names one state of the set`, async (t) => {
    const store = await (await createStorePlace(t, kind)).open()
    const versions = new Set<string>()
    let version: string | null = null
    for (const change of ['none', 'revoke', 'unrevoke', 'revoke', 'revoke'] as const) {
      if (change !== 'none') await store.revocations[change](user('alice'), AT)
      const read = await store.revocations.read('demo-app', version)
      t.ok(read, `${change} is seen`)
      version = read!.version
      versions.add(version)
      t.equal(await store.revocations.read('demo-app', version), null, 'nothing new since')
      await store.revocations.revoke(user('bob', 'other-app'), AT)
      t.equal(await store.revocations.read('demo-app', version), null, 'another app changes nothing here')
    }
    t.equal(versions.size, 5)
  })
}

import type { Database, RootDatabase } from 'lmdb'
import { deviceKeysOf, EMPTY_USER } from '../store.js'
import { durable } from './durable.js'
import type { UserRecord, UserStore } from '../store.js'
import type { User } from '../user.js'

/** Profiles, devices and contacts in LMDB, and an index of who owns which device. */
export function createEmbeddedUsers(root: RootDatabase): UserStore {
  const records: Database<UserRecord, string[]> = root.openDB({ name: 'users', encoding: 'json' }) // appId, userId
  const owners: Database<User, string[]> = root.openDB({ name: 'owners', encoding: 'json' }) // appId, device key, userId

  return {
    async change({ appId, userId, externalUserId }, decide) {
      const work = root.transaction(() => {
        const before = records.get([appId, userId]) ?? EMPTY_USER
        const { record, result } = decide(before)
        if (record === undefined) return result
        if (record) records.put([appId, userId], record)
        else records.remove([appId, userId])
        const has = record ? deviceKeysOf(record) : new Set<string>()
        for (const key of deviceKeysOf(before)) if (!has.has(key)) owners.remove([appId, key, userId])
        for (const key of has) owners.put([appId, key, userId], { appId, userId, externalUserId })
        return result
      })
      return (await durable(work))[0]
    },
    async read({ appId, userId }) {
      return records.get([appId, userId]) ?? EMPTY_USER
    },
    async ownersOf(appId, deviceKey) {
      const range = owners.getRange({ start: [appId, deviceKey], end: [appId, deviceKey, '\uffff'] })
      return [...range].map(({ value }) => value)
    },
  }
}

import type { Database, RootDatabase } from 'lmdb'
import type { RevocationStore } from '../revocations.js'
import { durable } from './durable.js'

/** Revoked users in LMDB. One process alone writes here, so versions are counted in memory. */
export function createEmbeddedRevocations(root: RootDatabase): RevocationStore {
  const table: Database<string, string[]> = root.openDB({ name: 'revoked', encoding: 'json' }) // appId, userId → when
  const versions = new Map<string, number>()
  const versionOf = (appId: string) => versions.get(appId) ?? 0
  const changed = (appId: string) => versions.set(appId, versionOf(appId) + 1)

  return {
    async revoke({ appId, userId }, at) {
      const work = root.transaction(() => {
        const since = table.get([appId, userId]) ?? at
        table.put([appId, userId], since)
        return since
      })
      const [since] = await durable(work)
      changed(appId)
      return since
    },
    async unrevoke({ appId, userId }) {
      await durable(table.remove([appId, userId]))
      changed(appId)
    },
    async read(appId, version) {
      const newest = String(versionOf(appId))
      if (newest === version) return null
      const range = table.getRange({ start: [appId], end: [appId, '\uffff'] })
      return {
        version: newest,
        revokedAt: new Map([...range].map(({ key, value }) => [key[1] as string, value])),
      }
    },
  }
}

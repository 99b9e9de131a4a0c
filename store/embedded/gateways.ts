import type { Database, RootDatabase } from 'lmdb'
import type { GatewayRecord, GatewayStore } from '../gateways.js'
import { durable } from './durable.js'

/** Gateways in LMDB. One process alone writes here, so versions are counted in memory. */
export function createEmbeddedGateways(root: RootDatabase): GatewayStore {
  const table: Database<GatewayRecord, string[]> = root.openDB({ name: 'gateways', encoding: 'json' }) // appId, gatewayId
  const versions = new Map<string, number>()
  const versionOf = (appId: string) => versions.get(appId) ?? 0
  const rangeOf = (appId: string) => ({ start: [appId], end: [appId, '\uffff'] })

  return {
    async change(appId, gatewayId, decide) {
      const work = root.transaction(() => {
        const before = table.get([appId, gatewayId]) ?? null
        const { gateway, result } = decide(before, table.getCount(rangeOf(appId)))
        if (gateway) table.put([appId, gatewayId], gateway)
        else if (gateway === null) table.remove([appId, gatewayId])
        return { result, isChanged: gateway !== undefined }
      })
      const [{ result, isChanged }] = await durable(work)
      if (isChanged) versions.set(appId, versionOf(appId) + 1)
      return result
    },
    async read(appId, version) {
      const newest = String(versionOf(appId))
      if (newest === version) return null
      const entries = [...table.getRange(rangeOf(appId))]
      return { version: newest, gateways: new Map(entries.map(({ value }) => [value.gatewayId, value])) }
    },
  }
}

import { randomUUID } from 'node:crypto'
import type { Database, RootDatabase } from 'lmdb'
import { HEARD_MAX, NODES_MAX } from '../mesh.js'
import type { HeardNode, MeshNode, MeshStore } from '../mesh.js'
import { durable } from './durable.js'

/** Nodes of a mesh in LMDB. One process alone writes here, so versions live in memory. */
export function createEmbeddedMesh(root: RootDatabase): MeshStore {
  const nodes: Database<MeshNode, string[]> = root.openDB({ name: 'mesh-nodes', encoding: 'json' }) // appId, nodeId
  const heard: Database<HeardNode, string[]> = root.openDB({ name: 'mesh-heard', encoding: 'json' }) // appId, nodeId
  const versions = new Map<string, string>()
  const counts = new Map<string, number>()
  const of = (appId: string) => ({ start: [appId], end: [appId, '\uffff'] })

  return {
    async changeNode(appId, nodeId, decide) {
      const work = root.transaction(() => {
        const key = [appId, nodeId]
        const before = nodes.get(key)
        const after = decide(before ?? {})
        const count = counts.get(appId) ?? nodes.getKeysCount(of(appId))
        if (after && !before && count >= NODES_MAX) return false
        counts.set(appId, count + (after ? 1 : 0) - (before ? 1 : 0))
        if (after) nodes.put(key, after)
        else nodes.remove(key)
        return true
      })
      const [isTaken] = await durable(work)
      versions.set(appId, randomUUID())
      return isTaken
    },
    async readNodes(appId, version) {
      const newest = versions.get(appId) ?? 'never changed'
      if (newest === version) return null
      const all = [...nodes.getRange(of(appId))]
      return { version: newest, nodes: new Map(all.map(({ key, value }) => [key[1] as string, value])) }
    },
    async noteHeard(appId, news) {
      const work = root.transaction(() => {
        for (const node of news) heard.put([appId, node.nodeId], node)
        const tooMany = heard.getKeysCount(of(appId)) - HEARD_MAX
        if (tooMany <= 0) return
        const all = [...heard.getRange(of(appId))]
        const oldest = all.toSorted((a, b) => (a.value.lastHeardAt < b.value.lastHeardAt ? -1 : 1))
        for (const { key } of oldest.slice(0, tooMany)) heard.remove(key)
      })
      await durable(work)
    },
    async readHeard(appId) {
      return [...heard.getRange(of(appId))].map(({ value }) => value)
    },
  }
}

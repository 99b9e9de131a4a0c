import { randomUUID } from 'node:crypto'
import { HEARD_MAX, NODES_MAX } from '../mesh.js'
import type { HeardNode, MeshNode, MeshStore } from '../mesh.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'
import { untilCommitted } from './until-committed.js'
import { readChanged } from './versioned-hash.js'

/** Nodes of a mesh in Redis: two hashes an app, what is known for good and what was heard last. */
export function createRedisMesh(redis: Commands): MeshStore {
  return {
    changeNode(appId, nodeId, decide) {
      const key = keys.meshNodes(appId)
      return untilCommitted(async () => {
        const before = await redis.hget(key, nodeId)
        const after = decide(before === null ? {} : (JSON.parse(before) as MeshNode))
        const json = after === null ? '' : JSON.stringify(after)
        // One field more than nodes: the version.
        const committed = await redis.commitNode(
          key,
          nodeId,
          before ?? '',
          json,
          VERSION,
          randomUUID(),
          NODES_MAX + 1,
        )
        return committed === 0 ? null : { result: committed === 1 }
      })
    },
    async readNodes(appId, version) {
      const news = await readChanged(redis, keys.meshNodes(appId), VERSION, version)
      if (!news) return null
      const parsed = Object.entries(news.fields).map(
        ([nodeId, json]) => [nodeId, JSON.parse(json) as MeshNode] as const,
      )
      return { version: news.version, nodes: new Map(parsed) }
    },
    async noteHeard(appId, heard) {
      if (heard.length === 0) return
      const fields = heard.flatMap((node) => [
        node.nodeId,
        Date.parse(node.lastHeardAt),
        JSON.stringify(node),
      ])
      await redis.noteHeard(keys.meshHeard(appId), keys.meshHeardAt(appId), HEARD_MAX, ...fields)
    },
    async readHeard(appId) {
      const heard = await redis.hvals(keys.meshHeard(appId))
      return heard.map((json) => JSON.parse(json) as HeardNode)
    },
  }
}

/** No node id: those begin with `!`. */
const VERSION = 'version'

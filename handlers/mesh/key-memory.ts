import type { KnownNodes } from './known-nodes.js'
import type { NodeInfoContent } from './mesh-message.js'
import type { WhoseNode } from './whose-node.js'

/** Remembers the public key of a node that is somebody's. Nobody waits for it. */
export type KeyMemory = (appId: string, nodeId: string, info: NodeInfoContent) => Promise<void>

/**
 * The first key that a node shows while it is somebody's is remembered: from then on the number that firmware 2.8 makes
 * of it is the same person's. A later key of the same number is a claim against a claim, and changes nothing; the
 * backend forgets the first one with DELETE.
 */
export function createKeyMemory({ nodes, whose }: { nodes: KnownNodes; whose: WhoseNode }): KeyMemory {
  return async (appId, nodeId, { publicKey, isNumberOfKey }) => {
    if (publicKey === undefined) return
    const { byId, byKeyNumber } = await nodes.of(appId)
    if (byId.get(nodeId)?.publicKey !== undefined) return
    // Its number says which key it has, and the person is known by the number that it had before.
    if (isNumberOfKey && byKeyNumber.has(nodeId)) return
    if ((await whose(appId, { nodeId })).is === 'nobody') return
    await nodes.change(appId, nodeId, (node) =>
      node.publicKey === undefined ? { ...node, publicKey } : node,
    )
  }
}

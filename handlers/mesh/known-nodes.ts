import type { MeshNode, MeshStore } from '../../store/mesh.js'
import { nodeIdOf, nodeNumberOfKey } from '../../store/node-ids.js'

/** What is known for good of an app's nodes, ready to be asked in the other direction. */
export interface AppNodes {
  byId: ReadonlyMap<string, MeshNode>
  /** Number that firmware 2.8 makes of a key → the nodes that have shown the key. */
  byKeyNumber: ReadonlyMap<string, string[]>
  byRadioId: ReadonlyMap<number, string[]>
}

/** The store's nodes as this process knows them, so that a packet asks no store for them. */
export interface KnownNodes {
  /** @throws when they were never read and the store cannot be read now. */
  of(appId: string): Promise<AppNodes>
  /** Reads again what changed. Resolves also when the store does not answer: the last known stay. */
  refresh(appId: string): Promise<void>
  /** As MeshStore.changeNode; the change holds here when it resolves, elsewhere within a second. */
  change: MeshStore['changeNode']
  /** Calls back when an app's nodes have changed. */
  onChange(changed: (appId: string) => void): void
}

export function createKnownNodes(store: MeshStore): KnownNodes {
  const apps = new Map<string, { version: string; nodes: AppNodes; readAt: number }>()
  const reading = new Map<string, Promise<void>>()
  const listeners: ((appId: string) => void)[] = []

  async function read(appId: string): Promise<void> {
    const known = apps.get(appId)
    const news = await store.readNodes(appId, known?.version ?? null)
    const readAt = performance.now()
    if (news) {
      apps.set(appId, { version: news.version, nodes: indexNodes(news.nodes), readAt })
      for (const changed of listeners) changed(appId)
    } else if (known) known.readAt = readAt
  }

  /** One read at a time, so that an older answer never replaces a newer one. */
  function readOnce(appId: string): Promise<void> {
    const underWay = reading.get(appId)
    if (underWay) return underWay
    const begun = read(appId).finally(() => reading.delete(appId))
    reading.set(appId, begun)
    return begun
  }

  return {
    async of(appId) {
      const known = apps.get(appId)
      if (!known) await readOnce(appId)
      else if (performance.now() - known.readAt > LOOK_MS) readOnce(appId).catch(() => {})
      return (apps.get(appId) as { nodes: AppNodes }).nodes
    },
    async refresh(appId) {
      await reading.get(appId)?.catch(() => {}) // it may have begun before the change
      await readOnce(appId).catch(() => {})
    },
    async change(appId, nodeId, decide) {
      const isTaken = await store.changeNode(appId, nodeId, decide)
      await reading.get(appId)?.catch(() => {})
      await readOnce(appId)
      return isTaken
    },
    onChange: (changed) => void listeners.push(changed),
  }
}

function indexNodes(byId: ReadonlyMap<string, MeshNode>): AppNodes {
  const byKeyNumber = new Map<string, string[]>()
  const byRadioId = new Map<number, string[]>()
  for (const [nodeId, { publicKey, radioId }] of byId) {
    const number = publicKey === undefined ? null : nodeNumberOfKey(Buffer.from(publicKey, 'hex'))
    if (number !== null) addTo(byKeyNumber, nodeIdOf(number), nodeId)
    if (radioId !== undefined) addTo(byRadioId, radioId, nodeId)
  }
  return { byId, byKeyNumber, byRadioId }
}

function addTo<Key>(index: Map<Key, string[]>, key: Key, nodeId: string): void {
  const known = index.get(key)
  if (known) known.push(nodeId)
  else index.set(key, [nodeId])
}

/** How soon a mapping that was made on another broker counts here; a read of a few bytes. */
const LOOK_MS = 1_000

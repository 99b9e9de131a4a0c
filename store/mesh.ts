/** What is kept of an app's radio mesh. Nodes are named `!hhhhhhhh`, in lower case. Times are ISO 8601, UTC. */
export interface MeshStore {
  /**
   * Changes what is known of one node for good, as IncidentStore.change: `node: null` removes it. Resolves with false
   * when the app has NODES_MAX nodes and this would be one more.
   */
  changeNode(appId: string, nodeId: string, decide: (node: MeshNode) => MeshNode | null): Promise<boolean>
  /** All that is known for good; null when the store still holds what was read with `version`. */
  readNodes(appId: string, version: string | null): Promise<MeshNodes | null>
  /** Remembers nodes as they were heard last; the ones heard longest ago go when there are more than HEARD_MAX. */
  noteHeard(appId: string, heard: HeardNode[]): Promise<void>
  /** In no order, at most HEARD_MAX. */
  readHeard(appId: string): Promise<HeardNode[]>
}

export interface MeshNodes {
  /** Names this state and no other, as RevokedSet. */
  version: string
  nodes: ReadonlyMap<string, MeshNode>
}

/** What was decided or learned about a node number. Without any of it the number is what its MAC address makes it. */
export interface MeshNode {
  /** The device that the app's backend says it is; null: nobody's, whatever else speaks for somebody. */
  hardwareId?: string | null
  /** 16-bit id under which EIXAM radio packets of others name it. */
  radioId?: number
  /** Lower-case hex; the first one that the node showed while it was somebody's. */
  publicKey?: string
}

/** A node as it was heard last: claims of its own and of gateways. */
export interface HeardNode {
  nodeId: string
  firstHeardAt: string
  lastHeardAt: string
  /** By which gateways, the latest first. */
  gateways: HeardBy[]
  longName?: string
  shortName?: string
  mac?: string
  publicKey?: string
  firmware?: string
  isOkToMqtt?: boolean
  precisionBits?: number
  /** Where it was last, and when. */
  fix?: { at: string; latitude: number; longitude: number; altitude?: number; accuracyMeters?: number }
}

export interface HeardBy {
  gatewayId: string
  /** Node id of the gateway, where it said so. */
  node?: string
  at: string
  hops?: number
  snr?: number
  rssi?: number
}

/** Nodes of an app of which something is kept for good: 2 MB in memory, and more than any mesh holds. */
export const NODES_MAX = 10_000
/**
 * Nodes of an app that are remembered as heard. Whoever has the channel key can make numbers up: 500 KB at most, and a
 * mesh that speaks every hour is far smaller.
 */
export const HEARD_MAX = 1_000

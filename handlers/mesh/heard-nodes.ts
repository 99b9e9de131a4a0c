import type { Log } from '../../ops/log.js'
import { HEARD_MAX } from '../../store/mesh.js'
import type { HeardBy, HeardNode, MeshStore } from '../../store/mesh.js'
import { within } from '../../store/within.js'
import type { MeshGateway } from './mesh-intake.js'
import type { MeshMessage } from './mesh-message.js'
import { createPacketRate } from './packet-rate.js'

/** Nodes as they were heard last, in memory and now and then in the store. */
export interface HeardNodes {
  /** A copy of what another gateway brought is a sighting too. `isSomebodys`: there is always room for those. */
  note(gateway: MeshGateway, message: MeshMessage, isSomebodys: boolean): void
  find(appId: string, nodeId: string): HeardNode | undefined
  /** All that are remembered, those that other brokers have heard too. @throws when the store cannot be read. */
  list(appId: string): Promise<HeardNode[]>
  start(): void
  /** Writes what was not written yet. */
  stop(): Promise<void>
}

interface AppHeard {
  nodes: Map<string, HeardNode>
  dirty: Set<string>
  isLoaded: boolean
}

export function createHeardNodes({ store, log }: { store: MeshStore; log: Log }): HeardNodes {
  const apps = new Map<string, AppHeard>()
  const newcomers = createPacketRate({ perWindow: NEWCOMERS_PER_MINUTE, windowMs: 60_000 })
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<unknown> = Promise.resolve()
  let lastReason = ''

  function appOf(appId: string): AppHeard {
    let app = apps.get(appId)
    if (!app) apps.set(appId, (app = { nodes: new Map(), dirty: new Set(), isLoaded: false }))
    return app
  }

  async function load(appId: string, app: AppHeard): Promise<void> {
    for (const stored of await store.readHeard(appId)) {
      const known = app.nodes.get(stored.nodeId)
      if (known && app.isLoaded && known.lastHeardAt >= stored.lastHeardAt) continue
      app.nodes.set(stored.nodeId, known ? merge(stored, known) : stored)
    }
    app.isLoaded = true
    trim(app)
  }

  /** What was heard longest ago is first in a map whose entries are set anew. */
  function trim({ nodes, dirty }: AppHeard): void {
    if (nodes.size <= HEARD_MAX) return
    const oldest = [...nodes.values()].toSorted((a, b) => (a.lastHeardAt < b.lastHeardAt ? -1 : 1))
    for (const { nodeId } of oldest.slice(0, nodes.size - HEARD_MAX)) {
      nodes.delete(nodeId)
      dirty.delete(nodeId)
    }
  }

  async function flush(): Promise<void> {
    for (const [appId, app] of apps) {
      if (app.dirty.size === 0) continue
      const names = [...app.dirty]
      try {
        if (!app.isLoaded) await load(appId, app)
        const nodes = names.flatMap((nodeId) => app.nodes.get(nodeId) ?? [])
        app.dirty.clear()
        await store.noteHeard(appId, nodes)
        lastReason = ''
      } catch (error) {
        for (const name of names) app.dirty.add(name)
        const reason = (error as Error).message
        if (reason !== lastReason) log.warn({ appId, reason }, 'nodes of the mesh cannot be remembered')
        lastReason = reason
      }
    }
  }

  const write = () => (writing = writing.then(flush))
  return {
    note({ appId, gatewayId }, message, isSomebodys) {
      if (message.sender.is !== 'node') return
      const { nodeId } = message.sender
      const app = appOf(appId)
      const known = app.nodes.get(nodeId)
      if (!known && !isSomebodys && !newcomers.take(appId, message.times.arrivedAt)) return
      app.nodes.delete(nodeId)
      if (!known && app.nodes.size >= HEARD_MAX) {
        const oldest = app.nodes.keys().next().value as string
        app.nodes.delete(oldest)
        app.dirty.delete(oldest)
      }
      app.nodes.set(nodeId, heardAgain(known, nodeId, gatewayId, message))
      app.dirty.add(nodeId)
    },
    find: (appId, nodeId) => apps.get(appId)?.nodes.get(nodeId),
    async list(appId) {
      const app = appOf(appId)
      await load(appId, app)
      return [...app.nodes.values()]
    },
    start() {
      timer = setInterval(() => void write(), WRITE_MS)
    },
    async stop() {
      clearInterval(timer)
      // A store that does not answer must not hold up a stop.
      await within(STOP_LIMIT_MS, write()).catch(() => {})
    },
  }
}

/** What was heard now over what was known; a name stays when a position comes. */
function heardAgain(
  known: HeardNode | undefined,
  nodeId: string,
  gatewayId: string,
  message: MeshMessage,
): HeardNode {
  const { heardBy, hops, snr, rssi, times, firmware, isOkToMqtt, content } = message
  const at = new Date(times.arrivedAt).toISOString()
  const sighting: HeardBy = {
    gatewayId,
    at,
    ...(heardBy === undefined ? {} : { node: heardBy }),
    ...(hops === undefined ? {} : { hops }),
    ...(rssi === undefined ? {} : { rssi, snr: snr ?? 0 }),
  }
  const others = (known?.gateways ?? []).filter((by) => by.gatewayId !== gatewayId)
  return {
    ...known,
    nodeId,
    firstHeardAt: known?.firstHeardAt ?? at,
    lastHeardAt: at,
    gateways: [sighting, ...others].slice(0, GATEWAYS_MAX),
    ...(firmware === undefined ? {} : { firmware }),
    ...(isOkToMqtt === undefined ? {} : { isOkToMqtt }),
    ...(content.is === 'position' ? positionFacts(message, known) : {}),
    ...(content.is === 'node-info' ? pickNames(content) : {}),
  }
}

function positionFacts({ content, times }: MeshMessage, known: HeardNode | undefined): Partial<HeardNode> {
  if (content.is !== 'position') return {}
  const { latitude, longitude, altitude, accuracyMeters, precisionBits } = content.fix
  const at = new Date(times.at).toISOString()
  const precision = precisionBits === undefined ? {} : { precisionBits }
  if (known?.fix && known.fix.at > at) return precision
  const fix = {
    at,
    latitude,
    longitude,
    ...(altitude === undefined ? {} : { altitude }),
    ...(accuracyMeters === undefined ? {} : { accuracyMeters }),
  }
  return { ...precision, fix }
}

function pickNames(info: { longName?: string; shortName?: string; mac?: string; publicKey?: string }) {
  const { longName, shortName, mac, publicKey } = info
  return Object.fromEntries(
    Object.entries({ longName, shortName, mac, publicKey }).filter(([, value]) => value !== undefined),
  )
}

function merge(stored: HeardNode, heard: HeardNode): HeardNode {
  const [older, newer] = stored.lastHeardAt <= heard.lastHeardAt ? [stored, heard] : [heard, stored]
  const firstHeardAt = stored.firstHeardAt < heard.firstHeardAt ? stored.firstHeardAt : heard.firstHeardAt
  return { ...older, ...newer, firstHeardAt }
}

/** Numbers that are made up must not push out those that are heard now and then. */
const NEWCOMERS_PER_MINUTE = 60
/** What a crash may forget; names and last positions of nodes come again by themselves. */
const WRITE_MS = 5_000
const STOP_LIMIT_MS = 1_000
const GATEWAYS_MAX = 16

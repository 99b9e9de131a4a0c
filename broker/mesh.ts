import type { App, AppRegistry } from '../auth/apps.js'
import type { Handler } from '../handlers/handler.js'
import { createChannelKeys } from '../handlers/mesh/channel-crypto.js'
import { createGatewayStatuses } from '../handlers/mesh/gateway-status.js'
import type { GatewayStatuses } from '../handlers/mesh/gateway-status.js'
import { createHeardNodes } from '../handlers/mesh/heard-nodes.js'
import type { HeardNodes } from '../handlers/mesh/heard-nodes.js'
import { createMeshIntake } from '../handlers/mesh/intake.js'
import type { AppMeshSettings } from '../handlers/mesh/intake.js'
import { createKeyMemory } from '../handlers/mesh/key-memory.js'
import { createKnownNodes } from '../handlers/mesh/known-nodes.js'
import type { KnownNodes } from '../handlers/mesh/known-nodes.js'
import type { MeshIntake } from '../handlers/mesh/mesh-intake.js'
import { SOS_TRIGGERS } from '../handlers/mesh/sos-triggers.js'
import { createCallTaker } from '../handlers/mesh/take-call.js'
import { createRecentWhose, createWhoseNode } from '../handlers/mesh/whose-node.js'
import type { RecentWhose } from '../handlers/mesh/whose-node.js'
import type { SosTaker } from '../handlers/sos.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { Store } from '../store/store.js'
import type { DurablePath } from './durable-path.js'

/** What is asked by whoever takes an SOS into the store, so it is there before the way of an SOS is. */
export interface MeshOwners {
  nodes: KnownNodes
  whose: RecentWhose
  /** Takes what came by mesh as well. */
  takeSos: SosTaker
}

export function createMeshOwners(store: Store, takeSos: SosTaker): MeshOwners {
  const nodes = createKnownNodes(store.mesh)
  const whose = createRecentWhose(createWhoseNode({ users: store.users, nodes }))
  nodes.onChange(whose.forget)
  const { incidents, telemetry } = store
  const takeCall = createCallTaker({ incidents, telemetry, whose: whose.ask })
  return {
    nodes,
    whose,
    takeSos: (message, stamp, isReplay) =>
      message.way === 'mesh' ? takeCall(message, stamp) : takeSos(message, stamp, isReplay),
  }
}

export interface Mesh {
  intake: MeshIntake
  nodes: KnownNodes
  whose: RecentWhose
  heard: HeardNodes
  statuses: GatewayStatuses
}

/** Everything behind the door of gateways. */
export function createMesh(options: {
  owners: MeshOwners
  store: Store
  path: DurablePath
  sos: Handler
  /** Lets telemetry through in turns, so that an SOS waits for little of it. */
  around: <Result>(work: Promise<Result>) => Promise<Result>
  apps: AppRegistry
  storeTimeoutMs: number
  log: Log
  metrics: Metrics
}): Mesh {
  const { owners, store, path, sos, around, apps, storeTimeoutMs, log, metrics } = options
  const { nodes, whose } = owners
  const heard = createHeardNodes({ store: store.mesh, log })
  const statuses = createGatewayStatuses((outcome) => metrics.meshMessages.inc({ outcome }))
  const intake = createMeshIntake({
    settingsOf: (appId) => settingsOf(apps.find(appId)),
    sos,
    telemetry: { append: (record, mayBeLast) => around(path.telemetry.append(record, mayBeLast)) },
    incidents: path.incidents,
    whose,
    nodes,
    heard,
    statuses,
    rememberKey: createKeyMemory({ nodes, whose: whose.ask }),
    limitMs: storeTimeoutMs,
    isAway: (appId) => path.fallback?.availability.isAway(appId) ?? false,
    log,
  })
  return { intake, nodes, whose, heard, statuses }
}

/** Made once for each app as the apps file has it now. */
export function settingsOf(app: App | undefined): AppMeshSettings {
  const known = app && made.get(app)
  if (known) return known
  const { channels = [], sosWords, sosSensors, ports = {}, cancelCloses = false } = app?.mesh ?? {}
  const settings = {
    channels: createChannelKeys(channels),
    triggers: { words: sosWords ?? SOS_TRIGGERS.words, sensors: sosSensors ?? SOS_TRIGGERS.sensors },
    eixamPorts: new Map(Object.entries(ports).map(([port, kind]) => [Number(port), kind])),
    cancelCloses,
  }
  if (app) made.set(app, settings)
  return settings
}

const made = new WeakMap<App, AppMeshSettings>()

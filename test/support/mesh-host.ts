import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openAppRegistry } from '../../auth/apps.js'
import { createEmbeddedPath, createRedisPath } from '../../broker/durable-path.js'
import { readConfig } from '../../broker/config.js'
import { createMesh, createMeshOwners } from '../../broker/mesh.js'
import type { Mesh } from '../../broker/mesh.js'
import { createRelayLimit } from '../../handlers/relay-limit.js'
import { createOpenIncidents } from '../../handlers/open-incidents.js'
import { createSosIntake } from '../../handlers/sos-intake.js'
import { createSosTaker } from '../../handlers/sos.js'
import { createLog } from '../../ops/log.js'
import { createMetrics } from '../../ops/metrics.js'
import type { Metrics } from '../../ops/metrics.js'
import { putDevice } from '../../handlers/user-records.js'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'
import { openRedisStore } from '../../store/redis/redis-store.js'
import type { Store } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { temporaryDirectory } from './broker.js'
import { RETENTION } from './stores.js'

/** An app whose mesh speaks as the vectors do: EIXAM SOS on port 256, telemetry on 257. */
export const MESH_APP = {
  appId: 'demo-app',
  secrets: ['a secret'],
  mesh: { channels: [{ name: 'LongFast', key: 'AQ==' }], ports: { '256': 'sos', '257': 'tel' } },
}

/** Everything behind the door of gateways as a broker has it, with a real store, and no broker around. */
export interface MeshHost {
  mesh: Mesh
  store: Store
  metrics: Metrics
  /** What a gateway publishes. */
  send(gatewayId: string, topic: string, payload: Buffer | string, arrivedAtMs: number): Promise<void>
  /** Reads the apps file, `mesh-apps.json` in the directory, again. */
  reloadApps(): void
  /** As the broker stops. */
  stop(): Promise<void>
}

export interface MeshHostOptions {
  /** Where the embedded store, the journal and the apps file are; one of its own by default. */
  directory?: string
  redisUrl?: string
  app?: object
  storeTimeoutMs?: number
}

export async function openMeshHost(t: Test, options: MeshHostOptions = {}): Promise<MeshHost> {
  const { directory = temporaryDirectory(t), redisUrl, app = MESH_APP, storeTimeoutMs = 2_000 } = options
  const { log } = createLog({ level: 'silent', isTerminal: false })
  const metrics = createMetrics()
  const file = join(directory, 'mesh-apps.json')
  writeFileSync(file, JSON.stringify({ apps: [app] }))
  const apps = openAppRegistry({ file, log })
  const redis =
    redisUrl === undefined ? null : await openRedisStore({ url: redisUrl, retention: RETENTION, log })
  const store = redis ?? openEmbeddedStore({ directory: join(directory, 'store'), retention: RETENTION })
  const owners = createMeshOwners(
    store,
    createSosTaker({
      incidents: store.incidents,
      users: store.users,
      relayLimit: createRelayLimit(10),
      learnAlias: () => {},
    }),
  )
  const { takeSos } = owners
  const config = readConfig({ DATA_DIR: directory, STORE_TIMEOUT_MS: String(storeTimeoutMs) })
  const path = redis
    ? createRedisPath({
        openIncidents: createOpenIncidents(),
        store: redis,
        takeSos,
        appIds: apps.appIds,
        config,
        log,
        metrics,
      })
    : createEmbeddedPath(store, config)
  const clock = { now: () => new Date() }
  const mesh = createMesh({
    owners,
    store,
    path,
    sos: createSosIntake({
      take: takeSos,
      clock,
      log,
      ...(path.fallback ? { fallback: path.fallback } : {}),
    }),
    around: (work) => work,
    apps,
    storeTimeoutMs,
    log,
    metrics,
  })
  path.start()
  let stopped: Promise<void> | null = null
  const stop = () =>
    (stopped ??= (async () => {
      apps.stop()
      await mesh.heard.stop()
      await path.stop()
      await store.stop()
    })())
  t.teardown(stop)
  return {
    mesh,
    store,
    metrics,
    send: (gatewayId, topic, payload, arrivedAtMs) =>
      mesh.intake.take({ appId: 'demo-app', gatewayId }, topic, Buffer.from(payload), arrivedAtMs),
    reloadApps: apps.reload,
    stop,
  }
}

export async function registerDevice(store: Store, owner: User, hardwareId: string): Promise<void> {
  const input = { hardwareId, firmwareVersion: '', hardwareModel: '', pairedAt: '' }
  await store.users.change(owner, putDevice(input, new Date().toISOString()))
}

/** How often the mesh's messages had this outcome. */
export async function countOf({ metrics }: Pick<MeshHost, 'metrics'>, outcome: string): Promise<number> {
  const { values } = await metrics.meshMessages.get()
  return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0
}

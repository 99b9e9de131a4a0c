import { join } from 'node:path'
import { createUser } from '../../auth/identity.js'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'
import type { Incident, LifecycleEvent, TelemetryRecord } from '../../store/store.js'
import type { Broker } from './broker.js'

/** What a broker with the embedded store left on disk. */
export interface Stored {
  openIncident(externalUserId: string): Incident | null
  /** Oldest first. */
  events: LifecycleEvent[]
  /** Newest first. */
  telemetry: TelemetryRecord[]
}

/** Stops the broker and reads what it stored for the demo app. */
export async function stopAndRead(broker: Broker): Promise<Stored> {
  await broker.stop()
  const retention = { telemetryPerApp: 100_000, eventsPerApp: 100_000, reportKeysPerUser: 500, days: 365 }
  const store = openEmbeddedStore({ directory: join(broker.dataDir, 'store'), retention })
  const events = await store.events.readLatest('demo-app', 100_000)
  const telemetry = await store.telemetry.readLatest('demo-app', 100_000)
  const open = new Map<string, Incident | null>()
  for (const { externalUserId } of events) {
    const user = createUser({ appId: 'demo-app', externalUserId })
    open.set(externalUserId, await store.incidents.readOpen(user))
  }
  await store.stop()
  return { openIncident: (externalUserId) => open.get(externalUserId) ?? null, events, telemetry }
}

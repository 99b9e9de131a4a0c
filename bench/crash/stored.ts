import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'
import { keys } from '../../store/redis/keys.js'
import type { LifecycleEvent, TelemetryRecord } from '../../store/store.js'

/** What a partner's server sees of an incident, as far as it is compared. */
export interface StoredIncident {
  id: string
  status: string
  reports: number
  user: { userId: string; externalUserId: string }
  actuators: { snapshotVersion: number }
}

export interface StoredTrail {
  incidentId: string
  /** `occurredAt` of its points. */
  times: string[]
}

/** Everything that is stored of one app. */
export interface Stored {
  /** Oldest first. */
  events: (LifecycleEvent & { id: string })[]
  incidents: StoredIncident[]
  openIncidents: StoredIncident[]
  trails: StoredTrail[]
  telemetry: TelemetryRecord[]
}

/**
 * Reads what a partner's server can read: the event log, and incidents with their trails. As one does, it asks again
 * when the store does not answer just then (503); `onRefused` counts these.
 */
export async function readThroughTheDoor(
  port: number,
  app: { appId: string; secret: string },
  onRefused: () => void,
): Promise<Omit<Stored, 'telemetry'>> {
  const authorization = `Basic ${Buffer.from(`${app.appId}:${app.secret}`).toString('base64')}`
  async function get<Answer>(path: string): Promise<Answer> {
    for (let refused = 0; ; refused++) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/backend/${path}`, {
        headers: { authorization },
      })
      const text = await response.text()
      if (response.status === 200) return JSON.parse(text) as Answer
      if (response.status !== 503 || refused === TRIES)
        throw new Error(`GET ${path}: ${response.status} ${text}`)
      onRefused()
      await pause(200)
    }
  }

  async function readEvents(): Promise<Stored['events']> {
    const events: Stored['events'] = []
    for (let after = '0'; ;) {
      const page = await get<{ events: Stored['events']; next: string }>(`events?after=${after}&limit=500`)
      if (page.events.length === 0) return events
      events.push(...page.events)
      after = page.next
    }
  }
  async function readIncidents(state: 'open' | 'all'): Promise<StoredIncident[]> {
    const incidents: StoredIncident[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { incidents: StoredIncident[]; pagination: { next_cursor: string | null } } = await get(
        `incidents?state=${state}&limit=50&cursor=${cursor}`,
      )
      incidents.push(...page.incidents)
      cursor = page.pagination.next_cursor
    }
    return incidents
  }
  async function readTrail({ id }: StoredIncident): Promise<StoredTrail> {
    const { trail } = await get<{ trail: { occurredAt: string }[] }>(`incidents/${id}`)
    return { incidentId: id, times: trail.map(({ occurredAt }) => occurredAt) }
  }

  const events = await readEvents()
  const openIncidents = await readIncidents('open')
  const incidents = await readIncidents('all')
  const trails: StoredTrail[] = []
  for (const incident of incidents) trails.push(await readTrail(incident))
  return { events, incidents, openIncidents, trails }
}

/** Telemetry has no door: from Redis itself. */
export async function readTelemetryInRedis(socket: string, appId: string): Promise<TelemetryRecord[]> {
  const redis = new Redis(socket)
  const records: TelemetryRecord[] = []
  try {
    for (let from = '-'; ;) {
      const entries = await redis.xrange(keys.telemetry(appId), from, '+', 'COUNT', 5_000)
      records.push(...entries.map(([, fields]) => JSON.parse(fields[1] as string) as TelemetryRecord))
      const last = entries.at(-1)
      if (!last) return records
      from = `(${last[0]}`
    }
  } finally {
    redis.disconnect()
  }
}

/** The same from the embedded store, whose broker must have ended. */
export async function readTelemetryOnDisk(dataDir: string, appId: string): Promise<TelemetryRecord[]> {
  const retention = { telemetryPerApp: 1e9, eventsPerApp: 1e9, reportKeysPerUser: 500, days: 1 }
  const store = openEmbeddedStore({ directory: join(dataDir, 'store'), retention })
  const records = await store.telemetry.readLatest(appId, 1e9)
  await store.stop()
  return records
}

/** In a row, for one request. */
const TRIES = 50

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import type { Test } from 'tap'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'
import { openRedisStore } from '../../store/redis/redis-store.js'
import type { Retention, Store } from '../../store/store.js'
import type { Broker } from './broker.js'

export const retention: Retention = {
  telemetryPerApp: 100_000,
  eventsPerApp: 100_000,
  reportKeysPerUser: 500,
  days: 365,
}

/** Stops the broker and opens what it left on disk. */
export async function openStoreOf(t: Test, broker: Broker): Promise<Store> {
  const code = await broker.stop()
  if (code !== 0) throw new Error(`the broker ended with ${code}`)
  const store = openEmbeddedStore({ directory: join(broker.dataDir, 'store'), retention })
  t.teardown(() => store.stop())
  return store
}

/** The store of one more node on this Redis: what it changes, a broker there sees as made elsewhere. */
export async function openOtherNode(t: Test, url: string): Promise<Store> {
  const store = await openRedisStore({ url, retention, log: pino({ level: 'silent' }) })
  t.teardown(() => store.stop())
  return store
}

export interface AppEntry {
  appId: string
  secrets: string[]
  disabled?: boolean
}

/** Writes an apps file in one step, as an operator's editor does, and returns its path. */
export function writeApps(file: string, apps: AppEntry[]): string {
  writeFileSync(file, JSON.stringify({ apps }))
  return file
}

import type { Database, RootDatabase } from 'lmdb'
import { DELIVERIES_MAX } from '../deliveries.js'
import type { DeliveryNote, DeliveryStore } from '../deliveries.js'
import { durable } from './durable.js'

type Key = [appId: string, incidentId: string, number: number]
type AgeKey = [appId: string, at: string, incidentId: string, number: number]

/**
 * In the environment of telemetry, so that no SOS waits for it. `keepSince` says when the oldest event of an app happened
 * that is still in its log: a note from before tells of an event that is no longer there, and goes.
 */
export function createEmbeddedDeliveries(
  root: RootDatabase,
  keepSince: (appId: string) => string | undefined,
): DeliveryStore {
  const all: Database<DeliveryNote, Key> = root.openDB({ name: 'deliveries', encoding: 'json' })
  const byAge: Database<true, AgeKey> = root.openDB({ name: 'deliveries-by-age', encoding: 'json' })
  const lowest = (appId: string, incidentId: string): Key => [appId, incidentId, 0]
  const highest = (appId: string, incidentId: string): Key => [appId, incidentId, Infinity]

  function remove([appId, incidentId, number]: Key): void {
    const note = all.get([appId, incidentId, number])
    if (!note) return
    all.remove([appId, incidentId, number])
    byAge.remove([appId, note.at, incidentId, number])
  }

  return {
    async add(appId, incidentId, notes) {
      const since = keepSince(appId)
      const work = root.transaction(() => {
        const range = { start: highest(appId, incidentId), end: lowest(appId, incidentId) }
        const [last] = all.getKeys({ ...range, reverse: true, limit: 1 })
        let number = last?.[2] ?? 0
        for (const note of notes) {
          all.put([appId, incidentId, ++number], note)
          byAge.put([appId, note.at, incidentId, number], true)
          remove([appId, incidentId, number - DELIVERIES_MAX])
        }
        if (since === undefined) return
        const start: AgeKey = [appId, '', '', 0]
        const end: AgeKey = [appId, since, '', 0]
        const old = [...byAge.getKeys({ start, end, limit: notes.length + REMOVED_AT_ONCE })]
        for (const [, , ofIncident, ofNumber] of old) remove([appId, ofIncident, ofNumber])
      })
      await durable(work)
    },
    async read(appId, incidentId) {
      const range = { start: lowest(appId, incidentId), end: highest(appId, incidentId) }
      return [...all.getRange(range)].map(({ value }) => value)
    },
  }
}

/** More than come in on average, so that what is old becomes less. */
const REMOVED_AT_ONCE = 20

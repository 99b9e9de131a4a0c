import type { Database, RootDatabase } from 'lmdb'
import { DELIVERIES_MAX } from '../deliveries.js'
import type { DeliveryNote, DeliveryStore } from '../deliveries.js'
import { durable } from './durable.js'

type Key = [appId: string, incidentId: string, number: number]

/** In the environment of telemetry, so that no SOS waits for it. */
export function createEmbeddedDeliveries(root: RootDatabase): DeliveryStore {
  const all: Database<DeliveryNote, Key> = root.openDB({ name: 'deliveries', encoding: 'json' })
  const lowest = (appId: string, incidentId: string): Key => [appId, incidentId, 0]
  const highest = (appId: string, incidentId: string): Key => [appId, incidentId, Infinity]
  return {
    async add(appId, incidentId, notes) {
      const work = root.transaction(() => {
        const range = { start: highest(appId, incidentId), end: lowest(appId, incidentId) }
        const [last] = all.getKeys({ ...range, reverse: true, limit: 1 })
        let number = last?.[2] ?? 0
        for (const note of notes) {
          all.put([appId, incidentId, ++number], note)
          if (number > DELIVERIES_MAX) all.remove([appId, incidentId, number - DELIVERIES_MAX])
        }
      })
      await durable(work)
    },
    async read(appId, incidentId) {
      const range = { start: lowest(appId, incidentId), end: highest(appId, incidentId) }
      return [...all.getRange(range)].map(({ value }) => value)
    },
  }
}

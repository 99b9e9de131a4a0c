import { createStore } from './store.js'
import type { IncidentRow, TrailDot } from './wire.js'

/** The way of the incident that is shown, as the broker told it last, and what came since. */
export const trails = createStore<{ id: string; dots: TrailDot[] }>({ id: '', dots: [] })

/** Puts on where an incident's person is by now, unless that is known or of another incident. */
export function addToTrail({ id, place, placeAt }: IncidentRow): void {
  const { id: shown, dots } = trails.get()
  if (id !== shown || !place || placeAt === undefined) return
  const last = dots.at(-1)
  if (last && Date.parse(last.at) >= Date.parse(placeAt)) return
  const { latitude, longitude } = place
  trails.set({ dots: [...dots, { at: placeAt, latitude, longitude }] })
}

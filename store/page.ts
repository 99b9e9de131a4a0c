import type { Incident } from './store.js'

/** A page of a list: what to ask for next, or null at the end. */
export interface Page<Entry> {
  entries: Entry[]
  nextCursor: string | null
}

/** Place of an incident in a list that is sorted by time: later ones compare greater. */
export function historyKey({ createdAt, incidentId }: Pick<Incident, 'createdAt' | 'incidentId'>): string {
  return `${String(Date.parse(createdAt)).padStart(15, '0')}:${incidentId}`
}

/** A cursor is the place behind which to go on, opaque to clients. */
export function encodeCursor(place: string): string {
  return Buffer.from(place).toString('base64url')
}

/** @throws InvalidCursor when it is none that encodeCursor made. */
export function decodeCursor(cursor: string): string {
  const place = Buffer.from(cursor, 'base64url').toString()
  if (!/^\d{15}:[0-9a-f-]{36}$/.test(place)) throw new InvalidCursor('not a cursor of this list')
  return place
}

export class InvalidCursor extends Error {}

/** A page out of incidents that are all at hand, newest first. */
export function pageOf(incidents: Incident[], limit: number, cursor: string | undefined): Page<Incident> {
  const before = cursor === undefined ? null : decodeCursor(cursor)
  const sorted = incidents
    .map((incident) => ({ place: historyKey(incident), incident }))
    .filter(({ place }) => before === null || place < before)
    .toSorted((a, b) => (a.place < b.place ? 1 : -1))
  const shown = sorted.slice(0, limit)
  const last = shown.at(-1)
  return {
    entries: shown.map(({ incident }) => incident),
    nextCursor: sorted.length > limit && last ? encodeCursor(last.place) : null,
  }
}

import type { Ledger } from './ledger.js'

/**
 * Reads the events of one session: each comes once under each topic filter, those of an incident in order
 * (docs/mqtt.md).
 */
export function createEventReader(ledger: Ledger): (topic: string, payload: Buffer) => void {
  const seen = new Set<string>()
  const lastVersions = new Map<string, number>()
  return (topic, payload) => {
    const event = JSON.parse(payload.toString()) as {
      type: string
      eventId: string
      incidentId: string
      occurredAt?: string
      snapshotVersion?: number
    }
    const copy = `${topic} ${event.eventId}`
    if (seen.has(copy)) ledger.noteProblem(`event ${event.eventId} came twice in a session`)
    seen.add(copy)
    if (event.snapshotVersion !== undefined) {
      const place = `${topic} ${event.incidentId}`
      if (event.snapshotVersion <= (lastVersions.get(place) ?? 0))
        ledger.noteProblem(`event ${event.eventId} came behind a later one of its incident`)
      lastVersions.set(place, event.snapshotVersion)
    }
    if (event.type === 'processed' && event.occurredAt !== undefined) ledger.noteDelivered(event.occurredAt)
  }
}

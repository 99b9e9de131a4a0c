import type { Availability } from '../store/availability.js'
import type { Journal } from '../store/journal/journal.js'
import { UncertainWrite } from '../store/store.js'
import type { TelemetryRecord, TelemetryStore, WriteAttempt } from '../store/store.js'

/** The way of telemetry: into the store, or while that takes no writes into the journal. */
export function createTelemetryIntake(
  telemetry: TelemetryStore,
  {
    journal,
    availability,
    onJournaled,
  }: { journal: Journal; availability: Availability; onJournaled: (appId: string) => void },
): Pick<TelemetryStore, 'append'> {
  async function intoJournal(record: TelemetryRecord, attempt?: WriteAttempt): Promise<void> {
    await journal.addTelemetry(record, attempt)
    onJournaled(record.appId)
  }
  return {
    async append(record, mayBeLast) {
      // What has to be compared with the last position first is nobody's last one when it comes from the journal.
      const kept = mayBeLast ? { ...record, isHistory: true as const } : record
      if (availability.isAway(record.appId)) return intoJournal(kept)
      try {
        await telemetry.append(record, mayBeLast)
      } catch (error) {
        availability.noteFailure(record.appId, error)
        await intoJournal(kept, error instanceof UncertainWrite ? error.attempt : undefined)
      }
    },
  }
}

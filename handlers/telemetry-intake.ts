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
    async append(record) {
      if (availability.isAway(record.appId)) return intoJournal(record)
      try {
        await telemetry.append(record)
      } catch (error) {
        availability.noteFailure(record.appId, error)
        await intoJournal(record, error instanceof UncertainWrite ? error.attempt : undefined)
      }
    },
  }
}

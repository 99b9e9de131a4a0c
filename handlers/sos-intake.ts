import { randomUUID } from 'node:crypto'
import type { Log } from '../ops/log.js'
import type { Availability } from '../store/availability.js'
import type { Journal } from '../store/journal/journal.js'
import { createKeyedQueue } from '../store/keyed-queue.js'
import { userKey } from '../store/user.js'
import { within } from '../store/within.js'
import type { Clock, Handler, Message, Outcome } from './handler.js'
import type { Stamp } from './incident-rules.js'
import type { OpenIncidents } from './open-incidents.js'
import { foreseeIncident } from './sos.js'
import type { SosTaker } from './sos.js'

/** What takes an SOS while the store does not. */
export interface Fallback {
  journal: Journal
  availability: Availability
  openIncidents: OpenIncidents
  /** How long a phone waits for the store before its report goes to the journal. */
  limitMs: number
  /** A report waits in the journal although the store may be there. */
  onJournaled: (appId: string) => void
}

/**
 * The way of an SOS: into the store, or when that does not answer in time onto the disk of this machine. Reports
 * of one user keep their order: behind one that waits in the journal the next one waits too.
 */
export function createSosIntake(options: {
  take: SosTaker
  clock: Clock
  log: Log
  fallback?: Fallback
}): Handler {
  const { take, clock, log, fallback } = options
  const inOrder = createKeyedQueue()

  return async (message) => {
    // The event's id is made here and goes with the report into store, journal and event log: on every node and
    // after every crash it names this call for help.
    const eventId = randomUUID()
    const { sessionId, way, user } = message
    const about = { sessionId, way, appId: user.appId, userId: user.userId, eventId }
    log.info(about, 'sos received')
    const outcome = await inOrder(userKey(user), () => {
      const stamp = { now: clock.now(), incidentId: randomUUID(), eventId }
      return fallback ? takeOrJournal(message, stamp, fallback) : take(message, stamp)
    })
    logOutcome(log, about, outcome)
    return outcome
  }

  async function takeOrJournal(
    message: Message,
    stamp: Stamp,
    { availability, ...way }: Fallback,
  ): Promise<Outcome> {
    const { user } = message
    if (!availability.isAway(user.appId) && !way.journal.holdsSosOf(user)) {
      try {
        const outcome = await within(way.limitMs, take(message, stamp))
        if (outcome.is === 'accepted' && outcome.incident) way.openIncidents.note(outcome.incident)
        return outcome
      } catch (error) {
        if (isMistake(error)) throw error
        availability.noteFailure(user.appId, error)
      }
    }
    const open = way.openIncidents.of(user) ?? way.journal.waitingIncidentOf(user)
    await way.journal.addSos({
      user: { appId: user.appId, userId: user.userId, externalUserId: user.externalUserId },
      way: message.way,
      payload: message.payload.toString('base64'),
      receivedAt: stamp.now.toISOString(),
      incidentId: stamp.incidentId,
      eventId: stamp.eventId,
    })
    way.onJournaled(user.appId)
    const incident = foreseeIncident(message, stamp, open)
    return { is: 'accepted', notes: [], isJournaled: true, ...(incident ? { incident } : {}) }
  }
}

function logOutcome(log: Log, about: object, outcome: Outcome): void {
  if (outcome.is !== 'accepted') return // whoever sent it reads why
  const { incident, relay, repeat, notes, isJournaled } = outcome
  if (isJournaled) log.info(about, 'sos in the journal until the store is back')
  else log.info({ ...about, incidentId: incident?.incidentId, relay, repeat, notes }, 'sos stored')
}

/** Of ours, not of the store: the journal would only bring it again. */
export function isMistake(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
}

import type { Incident } from '../store/store.js'
import type { JournaledSos } from '../store/journal/journal.js'
import type { User } from '../store/user.js'

/** One message of a user, whichever way it came. */
export interface Message {
  user: User
  payload: Buffer
  /**
   * How it came: what is right for a phone that waits for an answer is wrong for one that does not. What came by `mesh`
   * is JSON of our own, a MeshCall.
   */
  way: JournaledSos['way']
  /** The connection it came over, for the log. */
  sessionId?: string
}

/**
 * What became of a message. `accepted` means stored, or `isJournaled`: on this machine's disk until the store
 * is back. `dropped` means acknowledged and thrown away, because the client would send it again for ever;
 * `invalid` is for a client that reads answers. A handler that cannot keep a message throws: then nothing is
 * acknowledged.
 */
export type Outcome =
  | {
      is: 'accepted'
      notes: string[]
      /** Of a journaled report: what it opens if the user has no incident open. */
      incident?: Incident
      relay?: boolean
      repeat?: boolean
      isJournaled?: boolean
    }
  | { is: 'dropped'; why: string }
  | { is: 'invalid'; why: string }

export type Handler = (message: Message) => Promise<Outcome>

/** Where times come from; tests bring their own. */
export interface Clock {
  now(): Date
}

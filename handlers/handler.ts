import type { User } from '../store/user.js'

/** One publication, on its way to PUBACK. */
export interface Message {
  user: User
  payload: Buffer
}

/**
 * What became of a message. `accepted` means stored; `dropped` means acknowledged and thrown away, because
 * the client would send it again for ever. A handler that cannot store throws: then nothing is acknowledged.
 */
export type Outcome =
  { is: 'accepted'; notes: string[]; incidentId?: string; repeat?: boolean } | { is: 'dropped'; why: string }

export type Handler = (message: Message) => Promise<Outcome>

/** Where times come from; tests bring their own. */
export interface Clock {
  now(): Date
}

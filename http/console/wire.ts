/** What the page and the broker tell each other. Imports nothing: the page's own build reads it too. */

export interface Place {
  latitude: number
  longitude: number
  altitude?: number
  /** Metres around it in which the phone is. */
  accuracy?: number
}

export interface SessionInfo {
  by: string
  apps: string[]
  /** ISO 8601. */
  until: string
  /** The broker's clock, by which ages are told. */
  now: string
  /** Null: no tiles, a grid and the world's outline. */
  tiles: { url: string; attribution: string } | null
}

export type Status = 'active' | 'acknowledged' | 'cancelled' | 'resolved'

export interface Person {
  userId: string
  externalUserId: string
  name?: string
}

/** One incident as the list shows it. */
export interface IncidentRow {
  appId: string
  id: string
  status: Status
  /** Grows with every change: what is older than what is shown is thrown away. */
  version: number
  createdAt: string
  updatedAt: string
  acknowledgedAt?: string
  reports: number
  person: Person
  place?: Place
  /** When the phone was there, by its clock. */
  placeAt?: string
  device?: string
  /** Of the wearable, in its own words, and of the phone in per cent. */
  deviceBattery?: string
  phoneBattery?: number
  message?: string
  trigger?: string
  relayedBy: string[]
  openedByRelay?: string
  /** Nobody knows whose call for help it is. */
  unattributed?: { sender: string; why: string; name?: string }
  /** Sent by `connect-broker doctor`: alarms nobody. */
  isDrill?: true
  /** A wearable said by radio that it is over; whether that is so nobody knows. */
  cancelHeardAt?: string
}

export interface StoryEntry {
  at: string
  type: 'processed' | 'acknowledged' | 'cancelled' | 'resolved' | 'cancel-heard'
  version: number
  by?: string
  note?: string
  relayedBy?: string
  report?: {
    timestamp: string
    place?: Place
    device?: string
    message?: string
    trigger?: string
    fields?: Record<string, unknown>
  }
  heardBy?: string
  /** Who got this event, oldest first, as far as it was written down. */
  deliveries: Delivery[]
}

export interface Delivery {
  at: string
  /** Sessions of the person that it was sent to. */
  sessions?: number
  /** The web hook that took it. */
  webhookId?: string
  attempts?: number
  /** Why the web hook did not take it: it is a dead letter. */
  gaveUp?: string
}

export interface TrailDot {
  at: string
  latitude: number
  longitude: number
}

export interface IncidentStory {
  incident: IncidentRow
  trail: TrailDot[]
  story: StoryEntry[]
  /** Older entries are no longer kept, or were too far back to look for. */
  isStoryCut: boolean
  person: {
    phone: string
    email: string
    address: string
    devices: string[]
    contacts: { name: string; phone: string; email: string }[]
    sessions: number
    revokedAt: string | null
  }
}

/** Where somebody was last. */
export interface PersonRow {
  appId: string
  person: Person
  place?: Place
  placeAt?: string
  receivedAt: string
  deviceBattery?: string
  phoneBattery?: number
  /** Sessions on the node that answers. */
  sessions: number
}

export interface AppTraffic {
  appId: string
  sessions: number
  lastTelemetryAt: string | null
  people: PersonRow[]
}

export interface HealthNow {
  status: 'ready' | 'degraded' | 'not-ready'
  reasons: string[]
  /** How long the store took to answer, and how late the event loop was at most since the last look, in ms. */
  storeMs: number
  lagMs: number
  at: string
}

/** How a web hook does. Of its URL only scheme, host and port are told. */
export interface HookRow {
  id: string
  target: string
  state: 'starting' | 'delivering' | 'failing'
  deliveredAt: string | null
  failure: { at: string; reason: string } | null
  /** Everything of such an incident that stands behind `after` in the log is still to be delivered. */
  held: { incidentId: string; since: string; after: string }[]
  waiting: number
  waitingSince: string | null
  deadLetters: number
  deadLettersDropped: number
  /** When part of the event log was gone before it could be delivered. */
  gapAt: string | null
}

export interface HooksNow {
  appId: string
  hooks: HookRow[]
}

export interface DeadLetterRow {
  eventId: string
  incidentId: string
  externalUserId: string
  type: StoryEntry['type']
  happenedAt: string
  /** When it was given up. */
  at: string
  attempts: number
  reason: string
}

export interface Redelivered {
  delivered: number
  left: number
  /** Why the first of those that are left was not taken. */
  reason: string | null
}

export interface IncidentNews {
  type: StoryEntry['type']
  incident: IncidentRow
}

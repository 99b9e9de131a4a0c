import type { User } from './user.js'

/**
 * Where everything is kept. Two implementations, `redis/` and `embedded/`, hold the same contract tests.
 * A promise that resolves means: kept as durably as the store can: docs/operations.md.
 */
export interface Store {
  incidents: IncidentStore
  telemetry: TelemetryStore
  events: EventLog
  /** Plain words about what an acknowledgement means here, for the log and readiness. */
  durability(): Promise<Durability>
  /** Resolves when the store answers. */
  ping(): Promise<void>
  /** Waits for what is under way and closes what the store opened. */
  stop(): Promise<void>
}

export interface Durability {
  /** True when an acknowledged message survives the loss of power of the store's machine. */
  isDurable: boolean
  explanation: string
}

export type IncidentStatus = 'active' | 'acknowledged' | 'cancelled' | 'resolved'

/** One call for help, from its first report until it is cancelled or resolved. Times are ISO 8601, UTC. */
export interface Incident extends User {
  incidentId: string
  status: IncidentStatus
  /** Grows by one with every event; the SDK's `snapshotVersion`. */
  version: number
  createdAt: string
  updatedAt: string
  acknowledgedAt?: string
  cancelledAt?: string
  resolvedAt?: string
  /** How many reports were counted in. */
  reports: number
  /** The latest report, with what it left out taken from the ones before it. */
  report: SosReport
}

export interface Position {
  /** Degrees, WGS 84. */
  latitude: number
  longitude: number
  /** Metres. */
  altitude?: number
}

/** What could be read of one SOS report. */
export interface SosReport {
  /** The phone's time, as it wrote it where that was usable; else the server's. */
  timestamp: string
  /** Microseconds since 1970 of `timestamp`; absent when the server's clock had to stand in. */
  reportKey?: string
  position?: Position
  /** `timestamp` of the report that brought `position`. */
  positionAt?: string
  deviceId?: string
  hardwareId?: string
  triggerSource?: string
  source?: string
  message?: string
  /** Every other field, as it came. */
  fields?: Record<string, unknown>
  /** Base64 of a payload that was no JSON object. */
  raw?: string
}

export type LifecycleEventType = 'processed' | 'acknowledged' | 'cancelled' | 'resolved'

/** An entry of the event log: something happened to an incident. */
export interface LifecycleEvent extends User {
  eventId: string
  type: LifecycleEventType
  incidentId: string
  status: IncidentStatus
  version: number
  /** The server's time of the change. */
  at: string
  /** For `processed`: the report that was counted in. */
  report?: SosReport
  /** For changes that a person made: who and why. */
  by?: string
  note?: string
}

/** What a change sees of one user. */
export interface UserState {
  openIncident: Incident | null
  /** Whether the report with the key asked for was counted in before, to an incident open or closed. */
  isRepeat: boolean
}

/** What a change wants written, all of it or nothing. */
export interface Change<Result> {
  incident?: Incident
  event?: LifecycleEvent
  /** Remembered as counted in. */
  reportKey?: string
  result: Result
}

export interface IncidentStore {
  /**
   * Reads the user's state, asks `decide`, and writes what it wants together with its event as one atomic
   * write. Changes of one user happen one after the other in the order of the calls, also across nodes.
   * `decide` must be pure: it is asked again when another node was faster.
   *
   * @throws when the store did not confirm the write; it may or may not have happened.
   */
  change<Result>(
    user: User,
    reportKey: string | undefined,
    decide: (state: UserState) => Change<Result>,
  ): Promise<Result>
  /** @throws when the store cannot be read; null only when there is none. */
  readOpen(user: User): Promise<Incident | null>
  /** @throws when the store cannot be read; null only when there is none. */
  read(appId: string, incidentId: string): Promise<Incident | null>
}

/** One telemetry message as kept. */
export interface TelemetryRecord extends User {
  occurredAt: string
  receivedAt: string
  /** Absent in a heartbeat. */
  position?: Position
  fields: Record<string, unknown>
}

export interface TelemetryStore {
  /** Appends to the app's capped stream and, with a position, makes it the user's last one. */
  append(record: TelemetryRecord): Promise<void>
  readLastPosition(user: User): Promise<TelemetryRecord | null>
  /** The newest records of an app, newest first. */
  readLatest(appId: string, limit: number): Promise<TelemetryRecord[]>
}

export interface EventLog {
  /**
   * Calls `onEvent` for every event from now on, of every app that `appIds` names, in the order of each
   * app's log, also for events that other nodes wrote. Resolves when no later event can be missed.
   */
  follow(appIds: () => string[], onEvent: (event: LifecycleEvent) => void): Promise<void>
  /** The newest events of an app, oldest first. */
  readLatest(appId: string, limit: number): Promise<LifecycleEvent[]>
}

/** How much is kept. Reasons and defaults: broker/config.ts. */
export interface Retention {
  /** Telemetry messages per app. */
  telemetryPerApp: number
  /** Events per app. */
  eventsPerApp: number
  /** Report keys per user against repeats. */
  reportKeysPerUser: number
  /** Days for closed incidents, last positions and report keys. */
  days: number
}

import type { DeliveryStore } from './deliveries.js'
import type { GatewayStore } from './gateways.js'
import type { MeshStore } from './mesh.js'
import { meshKeysOfDevice } from './node-ids.js'
import type { Page } from './page.js'
import type { RevocationStore } from './revocations.js'
import type { User } from './user.js'
import type { WebhookStore } from './webhooks.js'

/**
 * Where everything is kept. Two implementations, `redis/` and `embedded/`, hold the same contract tests.
 * A promise that resolves means: kept as durably as the store can: docs/operations.md.
 */
export interface Store {
  incidents: IncidentStore
  users: UserStore
  revocations: RevocationStore
  gateways: GatewayStore
  mesh: MeshStore
  webhooks: WebhookStore
  deliveries: DeliveryStore
  telemetry: TelemetryStore
  events: EventLog
  /** Plain words about what an acknowledgement means here, for the log and readiness. */
  durability(): Promise<Durability>
  /** Resolves when the store answers. */
  ping(): Promise<void>
  /** Resolves when the store has taken a write for this app. */
  probe(appId: string): Promise<void>
  /** Waits for what is under way and closes what the store opened. */
  stop(): Promise<void>
}

export interface Durability {
  /** True when an acknowledged message survives the loss of power of the store's machine. */
  isDurable: boolean
  explanation: string
}

export type IncidentStatus = 'active' | 'acknowledged' | 'cancelled' | 'resolved'

export function isOpen(status: IncidentStatus): boolean {
  return status === 'active' || status === 'acknowledged'
}

/** Whether an open incident belongs to that list of open ones. */
export function isListedIn(which: 'open' | 'open-unattributed') {
  return ({ unattributed }: Pick<Incident, 'unattributed'>): boolean =>
    (unattributed !== undefined) === (which === 'open-unattributed')
}

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
  /** The first report, as it was. */
  firstReport: SosReport
  /** The latest report, with what it left out taken from the ones before it. */
  report: SosReport
  /** Whose relay opened it; absent when the owner did. */
  openedBy?: Relayer
  /** Everyone who relayed a report of it. */
  relayedBy: Relayer[]
  /** The owner has reported himself. */
  isOwnReported: boolean
  /** Nobody knows whose call for help it is: its user is none, and stands for who sent it. */
  unattributed?: UnattributedSender
  /** A wearable said by radio that its SOS is over, the latest word of it. */
  cancelHeard?: CancelHeard
}

/** Who sent an SOS of which nobody knows whose it is. */
export interface UnattributedSender {
  /** A node id, a hardware id, or `radio:` with the 16-bit id of an EIXAM packet; `*`: several, more than are told apart. */
  sender: string
  /** What kept it from being somebody's. */
  why: string
  name?: string
}

/** A cancel by radio, which proves nothing about its sender. */
export interface CancelHeard {
  at: string
  by: 'user' | 'app'
  becomes?: 'inactive' | 'resolved'
  sender: string
  gatewayId: string
  heardBy?: string
}

/** Another user of the same app whose phone heard the owner's device. */
export interface Relayer {
  userId: string
  externalUserId: string
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
  /**
   * Microseconds since 1970 of `timestamp`, or the name of the packet that brought it by mesh; absent when the server's
   * clock had to stand in.
   */
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

/** An entry of the event log: something happened to an incident. */
export interface LifecycleEvent extends User {
  eventId: string
  /** `cancel-heard` changes no state and is not for phones. */
  type: 'processed' | 'acknowledged' | 'cancelled' | 'resolved' | 'cancel-heard'
  incidentId: string
  status: IncidentStatus
  version: number
  /** The server's time of the change. */
  at: string
  /** For `processed`: the report that was counted in, and who relayed it if it was not the owner. */
  report?: SosReport
  relayedBy?: Relayer
  /** For changes that a person made: who and why. */
  by?: string
  note?: string
  unattributed?: UnattributedSender
  /** For `cancel-heard`. */
  cancelHeard?: CancelHeard
}

/** What a change sees of one user. */
export interface UserState {
  openIncident: Incident | null
  /** Which of the keys asked for were counted in before, to an incident open or closed. */
  counted: ReadonlySet<string>
}

/** What a change wants written, all of it or nothing. */
export interface Change<Result> {
  incident?: Incident
  event?: LifecycleEvent
  /** Added to the incident's trail. */
  trailPoint?: TrailPoint
  /** Remembered as counted in; of those that were asked for. */
  reportKeys?: string[]
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
    reportKeys: readonly string[],
    decide: (state: UserState) => Change<Result>,
  ): Promise<Result>
  /** @throws when the store cannot be read; null only when there is none. */
  readOpen(user: User): Promise<Incident | null>
  /** How many users of the app have an incident open. @throws when the store cannot be read. */
  countOpen(appId: string): Promise<number>
  /** @throws when the store cannot be read; null only when there is none. */
  read(appId: string, incidentId: string): Promise<Incident | null>
  /** A user's incidents, newest first. @throws when the cursor is none of ours. */
  readHistory(user: User, limit: number, cursor: string | undefined): Promise<Page<Incident>>
  /** An app's incidents, newest first, all or the open ones; those that are nobody's are a list of their own. */
  readAll(
    appId: string,
    which: WhichIncidents,
    limit: number,
    cursor: string | undefined,
  ): Promise<Page<Incident>>
  /** Oldest first, at most TRAIL_POINTS. */
  readTrail(appId: string, incidentId: string): Promise<TrailPoint[]>
}

export type WhichIncidents = 'open' | 'all' | 'open-unattributed' | 'all-unattributed'

/** Points of a trail that are kept: an hour at one a second, then only the newest. */
export const TRAIL_POINTS = 3_600

/** A point of the way during an incident: a report or telemetry that came while it was open. */
export interface TrailPoint {
  occurredAt: string
  position: Position
}

/** What a user's apps keep here beside incidents. */
export interface UserRecord {
  profile: Profile
  /** In the order of their first registration. */
  devices: Device[]
  /** In the order of their priority. */
  contacts: Contact[]
}

/** '' means not set. */
export interface Profile {
  name: string
  email: string
  phone: string
  address: string
}

export interface Device {
  id: string
  hardwareId: string
  firmwareVersion: string
  hardwareModel: string
  pairedAt: string
  createdAt: string
  updatedAt: string
  /** Node numbers in decimal that the owner's own session named together with `hardwareId`. */
  aliases: string[]
}

export interface Contact {
  id: string
  name: string
  phone: string
  email: string
  priority: number
  language: string
  createdAt: string
  updatedAt: string
}

export interface UserStore {
  /** As IncidentStore.change, for the record of one user. Without `record` nothing is written; null removes it. */
  change<Result>(user: User, decide: (record: UserRecord) => UserChange<Result>): Promise<Result>
  /** An empty record for a user never seen. @throws when the store cannot be read. */
  read(user: User): Promise<UserRecord>
  /** Users of the app who have registered a device that answers to the key; see deviceKey. */
  ownersOf(appId: string, deviceKey: string): Promise<User[]>
}

export interface UserChange<Result> {
  record?: UserRecord | null
  result: Result
}

/** How device ids are compared: MAC addresses without regard to case, all else exactly. */
export function deviceKey(deviceId: string): string {
  return MAC_ADDRESS.test(deviceId) ? deviceId.toUpperCase() : deviceId
}

const MAC_ADDRESS = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i

/** The keys under which a user's devices are found. */
export function deviceKeysOf(record: UserRecord): Set<string> {
  return new Set(
    record.devices.flatMap(({ hardwareId, aliases }) => [
      ...[hardwareId, ...aliases].map(deviceKey),
      ...meshKeysOfDevice(hardwareId),
    ]),
  )
}

export const EMPTY_USER: UserRecord = {
  profile: { name: '', email: '', phone: '', address: '' },
  devices: [],
  contacts: [],
}

/** One telemetry message as kept. */
export interface TelemetryRecord extends User {
  occurredAt: string
  receivedAt: string
  /** Absent in a heartbeat. */
  position?: Position
  fields: Record<string, unknown>
  /** Says nothing about where the user is now: kept, never his last position. */
  isHistory?: true
}

/**
 * Whether a position may become the user's last one, by the one that is; pure. `repeat`: it is that one, and is not
 * kept again.
 */
export type MayBeLast = (last: TelemetryRecord | null) => 'last' | 'history' | 'repeat'

export interface TelemetryStore {
  /**
   * Appends to the app's capped stream and, with a position, makes it the user's last one: unless it is history, or
   * `mayBeLast` says otherwise.
   */
  append(record: TelemetryRecord, mayBeLast?: MayBeLast): Promise<void>
  readLastPosition(user: User): Promise<TelemetryRecord | null>
  /** Removes the user's last position and records. */
  forget(user: User): Promise<void>
  /** The newest records of an app, newest first. */
  readLatest(appId: string, limit: number): Promise<TelemetryRecord[]>
}

/** Telemetry that was acknowledged long before: a phone may have sent a newer position since. */
export interface LateTelemetry {
  /**
   * Appends what is not there yet; see WriteAttempt. All records are of one app, in the order of their numbers.
   * A position becomes the user's last one only if no newer one was received.
   */
  append(appId: string, entries: LateEntry[]): Promise<void>
}

export interface LateEntry {
  record: TelemetryRecord
  /** Number among the entries of one run of a broker in one file: one not above the last appended is there already. */
  run: string
  file: string
  number: number
  /** A write that failed before the entry was made, and may have happened all the same. */
  attempt?: WriteAttempt
}

/** Names a write, so that the store can be asked later whether it happened, and kept from doing it late. */
export interface WriteAttempt {
  batch: string
  number: number
}

/** The store did not confirm a write that it may have done. */
export class UncertainWrite extends Error {
  constructor(
    readonly attempt: WriteAttempt,
    cause: Error,
  ) {
    super(cause.message, { cause })
  }
}

export interface EventLog {
  /**
   * Calls `onEvent` for every event from now on, of every app that `appIds` names, in the order of each
   * app's log, also for events that other nodes wrote. Resolves when no later event can be missed.
   */
  follow(appIds: () => string[], onEvent: (event: LifecycleEvent) => void): Promise<void>
  /** The newest events of an app, oldest first. */
  readLatest(appId: string, limit: number): Promise<LifecycleEvent[]>
  /** Events behind the one with this log id, oldest first; '0' starts at the oldest kept. */
  readAfter(appId: string, after: string, limit: number): Promise<LoggedEvent[]>
  /** Log id of the newest event; '0' when there is none. */
  readEnd(appId: string): Promise<string>
}

/** An event with its place in the app's log. */
export interface LoggedEvent {
  logId: string
  event: LifecycleEvent
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

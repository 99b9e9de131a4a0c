import type { IncidentStore, SosReport, UserStore } from '../store/store.js'
import type { User } from '../store/user.js'
import type { AliasLearner } from './device-alias.js'
import { findDeviceOwner, readNamedDevices } from './device-owner.js'
import type { NamedDevices } from './device-owner.js'
import type { Message, Outcome } from './handler.js'
import { report as reportRule, reportKeysOf } from './incident-rules.js'
import type { ReportWay, Stamp } from './incident-rules.js'
import type { KnownIncident } from './open-incidents.js'
import { namesOther } from './payload.js'
import type { RelayLimit } from './relay-limit.js'
import { readSosReport } from './sos-report.js'

export interface SosTakerOptions {
  incidents: IncidentStore
  users: UserStore
  relayLimit: RelayLimit
  learnAlias: AliasLearner
}

/** Takes one report into the store; the same stamp again changes nothing. `isReplay`: it has been acknowledged. */
export type SosTaker = (message: Message, stamp: Stamp, isReplay?: boolean) => Promise<Outcome>

/**
 * Resolves when the report is stored, because an acknowledgement follows. The incident is the sender's, or the
 * owner's whose device the sender heard; never anybody's because a payload names him.
 *
 * @throws when the store did not confirm it.
 */
export function createSosTaker({ incidents, users, relayLimit, learnAlias }: SosTakerOptions): SosTaker {
  return async ({ user, payload, way }, stamp, isReplay = false) => {
    const { report: read, namedUserId, oddities } = readSosReport(payload, stamp.now)
    // Whoever has been told yes already gets no second answer, so nothing may be refused any more.
    const target = await findTarget(user, read, isReplay ? 'mqtt' : way)
    if (target.is === 'invalid') return target
    const { owner, report, notes } = target
    const isRelay = owner.userId !== user.userId
    const counted = isRelay ? asRelayed(report, user) : report
    const reportWay = wayOf(way, isRelay ? user : undefined)
    const rule = reportRule(owner, counted, stamp, reportWay)
    const outcome = await incidents.change(owner, reportKeysOf(counted, stamp, reportWay), rule)
    if (!isRelay) learnAlias(user, devicesOf(report))
    return {
      is: 'accepted',
      notes: [...oddities, ...notes, ...(namesOther(user, namedUserId) ? ['names-another-user'] : [])],
      ...(outcome.incident ? { incident: outcome.incident } : {}),
      relay: isRelay,
      repeat: outcome.is === 'repeat',
    }
  }

  async function findTarget(user: User, report: SosReport, way: Message['way']): Promise<Target> {
    const found = await findDeviceOwner(users, user, devicesOf(report))
    switch (found.is) {
      case 'sender':
        return { is: 'target', owner: user, report, notes: [] }
      case 'other':
        if (await relayLimit.mayRelay(user, found.owner))
          return { is: 'target', owner: found.owner, report, notes: [] }
        return { is: 'target', owner: user, report: withoutDevice(report), notes: ['too-many-relays'] }
      case 'ambiguous':
        return {
          is: 'target',
          owner: user,
          report: withoutDevice(report),
          notes: ['device-of-several-users'],
        }
      case 'unknown':
        if (way === 'http') return { is: 'invalid', why: 'deviceId: no such device' }
        return { is: 'target', owner: user, report: withoutDevice(report), notes: ['unknown-device'] }
    }
  }
}

/**
 * What the report comes to, for an answer before the store has it: the incident that is open already, as far as anybody
 * here knows, or one of its own.
 */
export function foreseeIncident({ user, payload, way }: Message, stamp: Stamp, open: KnownIncident | null) {
  if (way === 'mesh') return null // nobody waits for an answer
  const { report } = readSosReport(payload, stamp.now)
  const rule = reportRule(user, report, stamp, wayOf(way, undefined))
  const { incident } = rule({ openIncident: null, counted: new Set() }).result
  return incident && open ? { ...incident, ...open } : incident
}

/** An app on Android reports with the time of an old position; it asks by HTTP first whether an incident is open. */
function wayOf(way: Message['way'], relayer: User | undefined): ReportWay {
  return { mayReopen: way === 'http', ...(relayer ? { relayer: relayerOf(relayer) } : {}) }
}

type Target =
  { is: 'target'; owner: User; report: SosReport; notes: string[] } | { is: 'invalid'; why: string }

/** A device that cannot be resolved is nobody's; the ids stay with the fields as they came. */
function withoutDevice({ deviceId, hardwareId, fields, ...report }: SosReport): SosReport {
  const ids = {
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(hardwareId === undefined ? {} : { hardwareId }),
  }
  return { ...report, fields: { ...fields, ...ids } }
}

function devicesOf({ deviceId, hardwareId, fields }: SosReport): NamedDevices {
  return readNamedDevices({ ...fields, deviceId, hardwareId })
}

/** A relay with the time of the owner's own report is another report: his own must count, or a relayer could cancel it. */
function asRelayed({ reportKey, ...report }: SosReport, relayer: User): SosReport {
  return reportKey === undefined ? report : { ...report, reportKey: `${reportKey} by ${relayer.userId}` }
}

function relayerOf({ userId, externalUserId }: User) {
  return { userId, externalUserId }
}

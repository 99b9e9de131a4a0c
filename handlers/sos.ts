import { randomUUID } from 'node:crypto'
import { createKeyedQueue } from '../store/keyed-queue.js'
import type { IncidentStore, SosReport, UserStore } from '../store/store.js'
import type { User } from '../store/user.js'
import type { AliasLearner } from './device-alias.js'
import { findDeviceOwner, readNamedDevices } from './device-owner.js'
import type { NamedDevices } from './device-owner.js'
import type { Clock, Handler, Message, Outcome } from './handler.js'
import { report as reportRule } from './incident-rules.js'
import { namesOther } from './payload.js'
import type { RelayLimit } from './relay-limit.js'
import { readSosReport } from './sos-report.js'

export interface SosHandlerOptions {
  incidents: IncidentStore
  users: UserStore
  relayLimit: RelayLimit
  learnAlias: AliasLearner
  clock: Clock
}

/**
 * Accepts an SOS when it is stored, because PUBACK follows as soon as this resolves. The incident is the
 * sender's, or the owner's whose device the sender heard; never anybody's because a payload names him.
 */
export function createSosHandler({
  incidents,
  users,
  relayLimit,
  learnAlias,
  clock,
}: SosHandlerOptions): Handler {
  const inOrder = createKeyedQueue()
  return (message) => inOrder(`${message.user.appId}:${message.user.userId}`, () => take(message))

  async function take({ user, payload, way }: Message): Promise<Outcome> {
    const now = clock.now()
    const { report: read, namedUserId, oddities } = readSosReport(payload, now)
    const target = await findTarget(user, read, way)
    if (target.is === 'invalid') return target
    const { owner, report, notes } = target
    const isRelay = owner.userId !== user.userId
    const stamp = { now, incidentId: randomUUID(), eventId: randomUUID() }
    // An app on Android reports with the time of an old position; it asks first whether an incident is open.
    const reportWay = { mayReopen: way === 'http', ...(isRelay ? { relayer: relayerOf(user) } : {}) }
    const counted = isRelay ? asRelayed(report, user) : report
    const rule = reportRule(owner, counted, stamp, reportWay)
    const outcome = await incidents.change(owner, counted.reportKey, rule)
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

import type { IncidentStore, SosReport, TelemetryStore } from '../../store/store.js'
import type { User } from '../../store/user.js'
import type { Message, Outcome } from '../handler.js'
import { close, noteCancel, report as reportRule, reportKeysOf } from '../incident-rules.js'
import type { Stamp } from '../incident-rules.js'
import { readTimestamp } from '../payload.js'
import { decodeCall, MANY, userOfSender } from './mesh-call.js'
import type { CancelCall, SosCall } from './mesh-call.js'
import { senderName } from './whose-node.js'
import type { WhoseNode } from './whose-node.js'

export interface CallTakerOptions {
  incidents: IncidentStore
  telemetry: Pick<TelemetryStore, 'readLastPosition'>
  whose: WhoseNode
}

/**
 * Takes a call for help of the mesh into the store, as SosTaker does for a phone's: into the incident of its user, or
 * as an alert of its own where nobody knows whose it is. It asks once more, because what came from the journal may
 * have waited since nobody could be asked.
 *
 * @throws when the store did not confirm it.
 */
export function createCallTaker({ incidents, telemetry, whose }: CallTakerOptions) {
  return async (message: Message, stamp: Stamp): Promise<Outcome> => {
    const call = decodeCall(message.payload)
    const owner = await ownerOf(message.user, call)
    return call.is === 'sos' ? takeSos(call, owner, stamp) : takeCancel(call, owner, stamp)
  }

  async function ownerOf(user: User, call: SosCall | CancelCall): Promise<Owner> {
    if (call.isAttributed) return { user }
    const found = await whose(user.appId, call.named)
    if (found.is === 'user') return { user: found.user, ...pickHardwareId(found.hardwareId) }
    const isOneOfMany = user.userId === userOfSender(user.appId, null).userId
    const sender = isOneOfMany ? MANY : senderName(call.named)
    return {
      user,
      unattributed: { sender, why: found.why, ...(call.name === undefined ? {} : { name: call.name }) },
    }
  }

  async function takeSos(call: SosCall, { user, hardwareId, unattributed }: Owner, stamp: Stamp) {
    const report = await withPosition(
      { ...call.report, ...pickHardwareId(call.report.hardwareId ?? hardwareId) },
      call,
      unattributed ? null : user,
    )
    const way = {
      mayReopen: false,
      ...(call.copyKey === undefined ? {} : { copyKey: call.copyKey }),
      ...(unattributed ? { unattributed } : {}),
    }
    const outcome = await incidents.change(user, reportKeysOf(report, stamp, way), (state) => {
      const known = state.openIncident?.report.positionAt
      const isOld = known !== undefined && !isNewer(report, known, call)
      const counted = isOld ? withoutPosition(report, call) : report
      return reportRule(user, counted, stamp, way)(state)
    })
    return accepted(outcome.is === 'repeat', outcome.incident, unattributed ? ['unattributed'] : [])
  }

  async function takeCancel(call: CancelCall, { user, unattributed }: Owner, stamp: Stamp) {
    const { cancelHeard, keys, mayClose } = call
    const noted = await incidents.change(user, keys, noteCancel(stamp, cancelHeard, keys))
    if (noted.is === 'none-open') return accepted(false, null, ['nothing-open'])
    // A crash may have come between the two; another copy of an older cancel closes nothing.
    const isThisOne = noted.is === 'noted' || noted.incident.cancelHeard?.at === cancelHeard.at
    if (mayClose && !unattributed && isThisOne) {
      const status = cancelHeard.becomes === 'resolved' ? 'resolved' : 'cancelled'
      const { incidentId } = noted.incident
      // Named apart from the note, and the same again when the journal brings it again.
      const next = { ...stamp, eventId: nextId(stamp.eventId) }
      const byWhom = { by: `wearable ${cancelHeard.sender}` }
      const rule = close(status, next, byWhom, (open) => open.incidentId === incidentId)
      const closed = await incidents.change(user, [], rule)
      if (closed.is === 'closed') return accepted(false, closed.incident, [])
    }
    return accepted(noted.is === 'repeat', noted.incident, unattributed ? ['unattributed'] : [])
  }

  /** An SOS without a position has the last one that anybody knows, with its time; none when that cannot be read. */
  async function withPosition(
    report: SosReport,
    { nodeFix }: SosCall,
    user: User | null,
  ): Promise<SosReport> {
    if (report.position) return report
    const last = user ? await telemetry.readLastPosition(user).catch(() => null) : null
    const known = [
      ...(last?.position ? [{ at: last.occurredAt, position: last.position, from: 'user' }] : []),
      ...(nodeFix ? [{ ...nodeFix, from: 'node' }] : []),
    ].toSorted((a, b) => msOf(b.at) - msOf(a.at))
    const [latest] = known
    if (!latest) return report
    const { at, position, from } = latest
    const accuracy = 'accuracyMeters' in latest ? { accuracyMeters: latest.accuracyMeters } : {}
    const ageS = Math.max(0, Math.round((msOf(report.timestamp) - msOf(at)) / 1_000))
    const mesh = { ...(report.fields?.mesh as object), positionFrom: from, positionAgeS: ageS, ...accuracy }
    return { ...report, position, positionAt: at, fields: { ...report.fields, mesh } }
  }
}

interface Owner {
  user: User
  hardwareId?: string
  unattributed?: { sender: string; why: string; name?: string }
}

/** The mesh tells whole seconds, and in the same one what the call itself carries is more than what was known before it. */
function isNewer({ positionAt = '' }: SosReport, known: string, call: SosCall): boolean {
  return (
    msOf(positionAt) > msOf(known) || (call.report.position !== undefined && msOf(positionAt) === msOf(known))
  )
}

/** The incident knows a newer one, perhaps of the phone. What the call itself carried stays in its story. */
function withoutPosition({ position, positionAt, ...report }: SosReport, call: SosCall): SosReport {
  if (!call.report.position) return report
  const mesh = { ...(report.fields?.mesh as object), olderPosition: { ...position, at: positionAt } }
  return { ...report, fields: { ...report.fields, mesh } }
}

function accepted(isRepeat: boolean, incident: Incident, notes: string[]): Outcome {
  return { is: 'accepted', notes, repeat: isRepeat, relay: false, ...(incident ? { incident } : {}) }
}

type Incident = Awaited<ReturnType<IncidentStore['read']>>

function pickHardwareId(hardwareId: string | undefined): { hardwareId?: string } {
  return hardwareId === undefined ? {} : { hardwareId }
}

function msOf(timestamp: string): number {
  return readTimestamp(timestamp)?.ms ?? 0
}

function nextId(uuid: string): string {
  const last = Number.parseInt(uuid.slice(-1), 16) ^ 1
  return `${uuid.slice(0, -1)}${last.toString(16)}`
}

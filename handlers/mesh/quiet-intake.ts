import { createKeyedQueue } from '../../store/keyed-queue.js'
import { userKey } from '../../store/user.js'
import { within } from '../../store/within.js'
import { isMistake } from '../sos-intake.js'
import type { MeshOutcome } from './gateway-status.js'
import type { MeshIntakeOptions, MeshLimits } from './intake.js'
import type { MeshGateway } from './mesh-intake.js'
import type { MeshMessage } from './mesh-message.js'
import { mayBeLastOf, telemetryRecordOf } from './mesh-records.js'
import { seenKeyOf } from './packet-keys.js'
import { createPacketRate } from './packet-rate.js'
import { createSeenPackets } from './seen-packets.js'
import { namedIn, senderName } from './whose-node.js'
import type { NamedSender, Whose } from './whose-node.js'

/** The way of all that is no call for help: positions, telemetry, and what nodes say of themselves, each packet once. */
export function createQuietIntake(options: Omit<MeshIntakeOptions, 'limits'> & { limits: MeshLimits }) {
  const { telemetry, whose, heard, rememberKey, limits, log } = options
  const seen = createSeenPackets()
  const underWay = new Map<string, Promise<void>>()
  const inOrder = createKeyedQueue()
  const nodeRate = createPacketRate({ windowMs: 60_000, perWindow: limits.perNodeAMinute })
  const gatewayRate = createPacketRate({ windowMs: 60_000, perWindow: limits.perGatewayAMinute })

  return takeOnce

  /** The copies of other gateways wait for the first one, so that none is acknowledged before it is kept. */
  async function takeOnce(gateway: MeshGateway, message: MeshMessage): Promise<MeshOutcome> {
    const { appId } = gateway
    const { arrivedAt } = message.times
    const key = seenKeyOf(message)
    if (key === null) return takeQuiet(gateway, message)
    const fullKey = `${appId} ${key}`
    if (seen.knows(appId, key, arrivedAt)) {
      await underWay.get(fullKey)
      heard.note(gateway, message, false)
      return 'copy'
    }
    seen.see(appId, key, arrivedAt)
    const work = takeQuiet(gateway, message)
    const done = work.then(() => {})
    done.catch(() => {}) // whoever brought it is told
    underWay.set(fullKey, done)
    try {
      const outcome = await work
      if (outcome === 'owner-unknown') seen.forget(appId, key)
      return outcome
    } catch (error) {
      seen.forget(appId, key)
      throw error
    } finally {
      underWay.delete(fullKey)
    }
  }

  async function takeQuiet(gateway: MeshGateway, message: MeshMessage): Promise<MeshOutcome> {
    const { appId, gatewayId } = gateway
    const { content, times } = message
    const named = namedIn(message)
    const isInRate =
      gatewayRate.take(`${appId} ${gatewayId}`, times.arrivedAt) &&
      nodeRate.take(`${appId} ${senderName(named)}`, times.arrivedAt)
    if (!isInRate) return 'rate'
    const owner = await ownerOf(appId, named)
    // No reason to end the connection of a gateway that may bring an SOS next.
    if (!owner) return 'owner-unknown'
    if (message.sender.is === 'node') heard.note(gateway, message, owner.is === 'user')
    if (content.is === 'node-info') {
      if (message.sender.is === 'node')
        rememberKey(appId, message.sender.nodeId, content).catch((error: Error) =>
          log.warn({ appId, reason: error.message }, 'key of a node not remembered'),
        )
      return 'node-info'
    }
    if (owner.is === 'nobody') return 'unmapped'
    if (content.is === 'no-position' && !content.fields && !content.radio) return 'no-position'
    const record = telemetryRecordOf(owner.user, gateway, message, owner.hardwareId)
    let outcome: MeshOutcome = record.isHistory ? 'history' : 'telemetry'
    const mayBeLast = mayBeLastOf(message, record)
    // One after the other, so that the newest of several positions that come at once is the last.
    await inOrder(userKey(owner.user), () =>
      telemetry.append(
        record,
        record.position &&
          ((last) => {
            const verdict = mayBeLast(last)
            outcome = verdict === 'last' ? 'telemetry' : verdict === 'repeat' ? 'copy' : 'history'
            return verdict
          }),
      ),
    )
    return outcome
  }

  /** While the store is away whoever it was last: it is telemetry of the same device. Null: nobody can say. */
  async function ownerOf(appId: string, named: NamedSender): Promise<Whose | null> {
    const known = whose.lastKnown(appId, named)
    if (known && options.isAway(appId)) return known
    try {
      return await within(options.limitMs, whose.recent(appId, named))
    } catch (error) {
      if (isMistake(error)) throw error
      return known ?? null
    }
  }
}

import type { User } from '../../store/user.js'
import { within } from '../../store/within.js'
import { isMistake } from '../sos-intake.js'
import type { MeshOutcome } from './gateway-status.js'
import type { HeardNodes } from './heard-nodes.js'
import type { AppMeshSettings, MeshIntakeOptions, MeshLimits } from './intake.js'
import { encodeCall, userOfSender } from './mesh-call.js'
import type { MeshCall } from './mesh-call.js'
import type { MeshGateway } from './mesh-intake.js'
import type { CancelContent, MeshMessage, SosContent } from './mesh-message.js'
import { sosReportOf } from './mesh-records.js'
import { createSosKeys, packetKey } from './packet-keys.js'
import { createPacketRate } from './packet-rate.js'
import { createSeenPackets } from './seen-packets.js'
import { namedIn, senderName } from './whose-node.js'
import type { NamedSender, Whose } from './whose-node.js'

/** The way of an SOS and of a wearable's cancel to where a phone's SOS goes too. */
export function createCallIntake(options: Omit<MeshIntakeOptions, 'limits'> & { limits: MeshLimits }) {
  const { sos, incidents, whose, nodes, heard, limits, log } = options
  const sosKeyOf = createSosKeys()
  const minute = { windowMs: 60_000 }
  const sosRate = createPacketRate({ ...minute, perWindow: limits.sosPerSenderAMinute })
  const copyRate = createPacketRate({ ...minute, perWindow: limits.perNodeAMinute })
  const raised = createSeenPackets({ packetsMax: RAISED_MAX })
  const alertRate = createPacketRate({ windowMs: 3_600_000, perWindow: limits.alertsPerAppAnHour })
  const alertSenders = createSeenPackets({ keepMs: 24 * 3_600_000, packetsMax: ALERT_SENDERS_MAX })

  return { takeSos, takeCancel }

  async function takeSos(
    gateway: MeshGateway,
    message: MeshMessage,
    content: SosContent,
  ): Promise<MeshOutcome> {
    const { appId } = gateway
    const named = namedIn(message)
    const owner = await askNow(appId, named)
    heard.note(gateway, message, owner.is === 'user')
    const user = owner.is === 'user' ? owner.user : alertUserOf(appId, named, message.times.arrivedAt)
    const known = message.sender.is === 'node' ? heard.find(appId, message.sender.nodeId) : undefined
    const { fix } = message.relayedDevice === undefined && known ? known : { fix: undefined }
    const reportKey = sosKeyOf(appId, message)
    const copyKey = packetKeyOf(message)
    if (await isOverSosRate(user, named, copyKey ?? reportKey, message.times.arrivedAt)) return 'sos-rate'
    const report = sosReportOf(content, gateway, message, reportKey)
    const hardwareId = owner.is === 'user' ? owner.hardwareId : undefined
    const outcome = await raise(user, {
      is: 'sos',
      named,
      ...nameOf(known),
      isAttributed: owner.is === 'user',
      report: hardwareId === undefined ? report : { ...report, hardwareId },
      ...(copyKey === undefined || copyKey === reportKey || reportKey === undefined ? {} : { copyKey }),
      ...(fix ? { nodeFix: nodeFixOf(fix) } : {}),
    })
    raised.see(appId, copyKey ?? reportKey ?? '', message.times.arrivedAt)
    if (outcome.repeat) return 'copy'
    const about = {
      appId,
      gatewayId: gateway.gatewayId,
      sender: senderName(named),
      journaled: outcome.isJournaled,
    }
    if (outcome.isAlert)
      log.warn(
        { ...about, why: owner.is === 'nobody' ? owner.why : undefined },
        'sos by mesh of nobody that is known',
      )
    else log.info({ ...about, userId: user.userId }, 'sos by mesh')
    return outcome.isAlert ? 'alert' : 'sos'
  }

  async function takeCancel(
    gateway: MeshGateway,
    message: MeshMessage,
    content: CancelContent,
    settings: AppMeshSettings,
  ): Promise<MeshOutcome> {
    const { appId, gatewayId } = gateway
    const sender = namedIn(message)
    const { arrivedAt } = message.times
    const { byId, byRadioId } = await nodes.of(appId).catch(() => NO_NODES)
    const isKnown = byRadioId.has(content.device)
    // Its sender may only have passed it on: then its own id is another, or unknown.
    const own = 'nodeId' in sender ? byId.get(sender.nodeId)?.radioId : undefined
    if (!isKnown && own !== undefined) return 'ignored'
    const named: NamedSender = isKnown ? { radioId: content.device } : sender
    const owner = await askNow(appId, named)
    const user = owner.is === 'user' ? owner.user : userOfSender(appId, named)
    const key = packetKeyOf(message) ?? `radio ${content.device} ${Math.floor(arrivedAt / CANCEL_REPEAT_MS)}`
    const outcome = await raise(user, {
      is: 'cancel',
      named,
      isAttributed: owner.is === 'user',
      cancelHeard: {
        at: new Date(message.times.at).toISOString(),
        by: content.by,
        ...(content.becomes === undefined ? {} : { becomes: content.becomes }),
        sender: senderName(sender),
        gatewayId,
        ...(message.heardBy === undefined ? {} : { heardBy: message.heardBy }),
      },
      keys: [`cancel ${key}`],
      mayClose: settings.cancelCloses && isKnown,
    })
    return outcome.repeat ? 'copy' : 'cancel'
  }

  /** Whose it is now; when the store does not say in time, whose it was, and else it is found out later. */
  async function askNow(appId: string, named: NamedSender): Promise<Whose> {
    const known = whose.lastKnown(appId, named) ?? { is: 'nobody', why: 'unmapped' }
    if (options.isAway(appId)) return known
    try {
      return await within(
        options.limitMs,
        nodes.refresh(appId).then(() => whose.ask(appId, named)),
      )
    } catch (error) {
      if (isMistake(error))
        log.error({ appId, err: error as Error }, 'sos by mesh: not found out whose it is')
      return known
    }
  }

  async function raise(user: User, call: MeshCall) {
    const outcome = await sos({ user, payload: encodeCall(call), way: 'mesh' })
    if (outcome.is !== 'accepted') throw new Error(`a call by mesh was not taken: ${outcome.why}`)
    const { repeat = false, isJournaled = false, notes } = outcome
    return {
      repeat,
      isJournaled,
      isAlert: notes.includes('unattributed') || (isJournaled && !call.isAttributed),
    }
  }

  /**
   * Above the rate an open incident is enough; without one every call counts, also when nobody can look. Copies of what
   * was raised have a rate of their own: the store knows them, but need not be asked without end.
   */
  async function isOverSosRate(
    user: User,
    named: NamedSender,
    key: string | undefined,
    now: number,
  ): Promise<boolean> {
    const sender = `${user.appId} ${senderName(named)}`
    const isCopy = key !== undefined && raised.knows(user.appId, key, now)
    if (isCopy) return !copyRate.take(sender, now)
    if (sosRate.take(sender, now)) return false
    try {
      return (await within(options.limitMs, incidents.readOpen(user))) !== null
    } catch {
      return false
    }
  }

  /** Whoever makes senders up gets one alert for all that are too many, instead of one each. */
  function alertUserOf(appId: string, named: NamedSender, now: number): User {
    const name = senderName(named)
    if (!alertSenders.knows(appId, name, now)) {
      if (!alertRate.take(appId, now)) return userOfSender(appId, null)
      alertSenders.see(appId, name, now)
    }
    return userOfSender(appId, named)
  }
}

function packetKeyOf({ sender, packetId }: MeshMessage): string | undefined {
  return sender.is === 'node' && packetId !== 0 ? packetKey(sender.nodeNumber, packetId) : undefined
}

function nameOf(known: { longName?: string } | undefined): { name?: string } {
  return known?.longName === undefined ? {} : { name: known.longName }
}

function nodeFixOf({ at, latitude, longitude, altitude, accuracyMeters }: NonNullable<HeardFix>) {
  return {
    at,
    position: { latitude, longitude, ...(altitude === undefined ? {} : { altitude }) },
    ...(accuracyMeters === undefined ? {} : { accuracyMeters }),
  }
}

type HeardFix =
  ReturnType<HeardNodes['find']> extends infer Node ? (Node extends { fix?: infer Fix } ? Fix : never) : never

const NO_NODES = { byId: new Map<string, { radioId?: number }>(), byRadioId: new Map<number, string[]>() }

const ALERT_SENDERS_MAX = 10_000
/** SOS that were raised here within a day. */
const RAISED_MAX = 10_000
/** Copies of several gateways come within seconds. */
const CANCEL_REPEAT_MS = 60_000

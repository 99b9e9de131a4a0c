import type { Log } from '../../ops/log.js'
import type { IncidentStore, TelemetryStore } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { createKeyedQueue } from '../../store/keyed-queue.js'
import { userKey } from '../../store/user.js'
import { within } from '../../store/within.js'
import type { Handler } from '../handler.js'
import { createFragmentJoiner } from './fragments.js'
import { noteGatewayNode, noteUndecryptable } from './gateway-status.js'
import type { GatewayStatuses, MeshOutcome } from './gateway-status.js'
import type { HeardNodes } from './heard-nodes.js'
import type { MeshSettings } from './heard-packet.js'
import type { KeyMemory } from './key-memory.js'
import type { KnownNodes } from './known-nodes.js'
import { encodeCall, userOfSender } from './mesh-call.js'
import type { MeshCall } from './mesh-call.js'
import type { MeshGateway, MeshIntake } from './mesh-intake.js'
import type { CancelContent, MeshMessage, SosContent } from './mesh-message.js'
import { mayBeLastOf, sosReportOf, telemetryRecordOf } from './mesh-records.js'
import { readMeshTopic } from './mesh-topics.js'
import { createSosKeys, packetKey, seenKeyOf } from './packet-keys.js'
import { createPacketRate } from './packet-rate.js'
import { readPublication } from './read-publication.js'
import { createSeenPackets } from './seen-packets.js'
import { namedIn, senderName } from './whose-node.js'
import type { NamedSender, RecentWhose, Whose } from './whose-node.js'

/** What an app has configured for its mesh. */
export interface AppMeshSettings extends MeshSettings {
  /** A wearable's cancel closes the incident; else it stands in its story alone. */
  cancelCloses: boolean
}

export interface MeshIntakeOptions {
  settingsOf: (appId: string) => AppMeshSettings
  /** The way of an SOS, as phones have it: into the store, else into the journal. */
  sos: Handler
  telemetry: Pick<TelemetryStore, 'append'>
  incidents: Pick<IncidentStore, 'readOpen'>
  whose: RecentWhose
  nodes: KnownNodes
  heard: HeardNodes
  statuses: GatewayStatuses
  rememberKey: KeyMemory
  /** How long an SOS waits for the store to say whose it is; not at all while the store is known to be away. */
  limitMs: number
  isAway: (appId: string) => boolean
  log: Log
  limits?: Partial<MeshLimits>
}

/** What is above is dropped and counted; an SOS never is as long as nobody has an incident open for it. */
export interface MeshLimits {
  perNodeAMinute: number
  perGatewayAMinute: number
  sosPerSenderAMinute: number
  alertsPerAppAnHour: number
}

/** Takes what gateways publish: into incidents, telemetry and alerts of their app, and into what an operator sees. */
export function createMeshIntake(options: MeshIntakeOptions): MeshIntake {
  const { settingsOf, sos, telemetry, incidents, whose, nodes, heard, statuses, rememberKey, log } = options
  const limits = { ...LIMITS, ...options.limits }
  const joinFragments = createFragmentJoiner()
  const seen = createSeenPackets()
  const sosKeyOf = createSosKeys()
  const underWay = new Map<string, Promise<void>>()
  const inOrder = createKeyedQueue()
  const minute = { windowMs: 60_000 }
  const nodeRate = createPacketRate({ ...minute, perWindow: limits.perNodeAMinute })
  const gatewayRate = createPacketRate({ ...minute, perWindow: limits.perGatewayAMinute })
  const sosRate = createPacketRate({ ...minute, perWindow: limits.sosPerSenderAMinute })
  const copyRate = createPacketRate({ ...minute, perWindow: limits.perNodeAMinute })
  const raised = createSeenPackets({ packetsMax: RAISED_MAX })
  const alertRate = createPacketRate({ windowMs: 3_600_000, perWindow: limits.alertsPerAppAnHour })
  const alertSenders = createSeenPackets({ keepMs: 24 * 3_600_000, packetsMax: ALERT_SENDERS_MAX })

  return {
    async take(gateway, topicName, payload, arrivedAt) {
      const status = statuses.heard(gateway, arrivedAt)
      const topic = readMeshTopic(topicName)
      if (!topic) return statuses.count(gateway, 'bad-topic')
      if (topic.is === 'json') status.json++
      else status.envelopes++
      if ('gatewayNode' in topic) noteGatewayNode(status, topic.gatewayNode)
      const settings = settingsOf(gateway.appId)
      const reading = readPublication(topic, payload, settings, arrivedAt)
      if (reading.is === 'refused') {
        if (reading.why === 'undecryptable') noteUndecryptable(status, reading.channelName ?? '')
        log.debug({ ...gateway, topic: topicName, why: reading.why }, 'mesh publication refused')
        return statuses.count(gateway, reading.why)
      }
      const messages = joinFragments(gateway.appId, reading.messages)
      const taken = await Promise.allSettled(
        messages.map(async (message) => {
          if (message.sender.is === 'node') {
            if (message.sender.nodeId === message.heardBy) status.own++
            else status.others++
          }
          statuses.count(gateway, await takeMessage(gateway, message, settings))
        }),
      )
      const failure = taken.find((one) => one.status === 'rejected')
      if (!failure) return
      statuses.count(gateway, 'failed')
      throw failure.reason
    },
  }

  async function takeMessage(
    gateway: MeshGateway,
    message: MeshMessage,
    settings: AppMeshSettings,
  ): Promise<MeshOutcome> {
    const { content } = message
    switch (content.is) {
      case 'sos':
        return takeSos(gateway, message, content)
      case 'cancel':
        return takeCancel(gateway, message, content, settings)
      case 'position':
      case 'telemetry':
      case 'no-position':
      case 'node-info':
        return takeOnce(gateway, message)
      case 'gateway-alive':
        return 'gateway-alive'
      case 'text':
      case 'fragment':
      case 'other':
        return 'ignored'
    }
  }

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
      return await work
    } catch (error) {
      seen.forget(appId, key)
      throw error
    } finally {
      underWay.delete(fullKey)
    }
  }

  /** All but calls for help. */
  async function takeQuiet(gateway: MeshGateway, message: MeshMessage): Promise<MeshOutcome> {
    const { appId, gatewayId } = gateway
    const { content, times } = message
    const named = namedIn(message)
    const isInRate =
      gatewayRate.take(`${appId} ${gatewayId}`, times.arrivedAt) &&
      nodeRate.take(`${appId} ${senderName(named)}`, times.arrivedAt)
    if (!isInRate) return 'rate'
    const owner = await ownerOf(appId, named)
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

  /** While the store is away whoever it was last: it is telemetry of the same device. */
  async function ownerOf(appId: string, named: NamedSender): Promise<Whose> {
    const known = whose.lastKnown(appId, named)
    if (known && options.isAway(appId)) return known
    try {
      return await within(options.limitMs, whose.recent(appId, named))
    } catch (error) {
      if (known) return known
      throw error
    }
  }

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
    } catch {
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

const LIMITS: MeshLimits = {
  // A wearable sends one a minute at most; a burst of retries and answers is far below.
  perNodeAMinute: 60,
  // 20 a second: a radio channel carries less.
  perGatewayAMinute: 1_200,
  // The first and its repetitions; then its incident is open.
  sosPerSenderAMinute: 7,
  // More unknown people than a rescue service can tell apart; beyond it they share an alert.
  alertsPerAppAnHour: 60,
}
const ALERT_SENDERS_MAX = 10_000
/** SOS that were raised here within a day. */
const RAISED_MAX = 10_000
/** Copies of several gateways come within seconds. */
const CANCEL_REPEAT_MS = 60_000

import type { EixamKind } from './eixam-radio.js'
import { readEixamContents } from './eixam-content.js'
import { fixOf } from './fix.js'
import type { ContentPart, MeshContent, NodeInfoContent, TelemetryContent } from './mesh-message.js'
import { macOf, nodeNumberOfKey, PUBLIC_KEY_BYTES } from '../../store/node-ids.js'
import { BROADCAST, nodeInfoType, PORT, positionType, telemetryType } from './packets.js'
import type { RawDeviceMetrics, RawPosition } from './packets.js'
import { isSosSensor, isSosText, trimText } from './sos-triggers.js'
import type { SosTriggers } from './sos-triggers.js'

export interface ContentSettings {
  triggers: SosTriggers
  /** Ports on which wearables of the app send EIXAM packets, and which ones: nothing in the bytes tells them apart. */
  eixamPorts: ReadonlyMap<number, EixamKind>
}

/** From, to and the gateway, as node numbers; the gateway's where it is known. */
export interface Addresses {
  from: number
  to: number
  gateway?: number
}

/** Reads what a packet carries, by its port. @throws ProtobufError when the port's message is malformed. */
export function readPayload(
  port: number,
  payload: Buffer,
  addresses: Addresses,
  settings: ContentSettings,
): ContentPart[] {
  const kind = settings.eixamPorts.get(port)
  if (kind) return readEixamContents(kind, payload) ?? [{ content: { is: 'other', port } }]
  switch (port) {
    case PORT.position:
      return [positionPart(positionType.read(payload))]
    case PORT.telemetry: {
      const { timeS, device, health } = telemetryType.read(payload)
      if (!device && !health) return [{ content: { is: 'other', port } }]
      const content = telemetryOf(device ?? {}, health ?? {})
      return [{ content, senderTimesS: [timeS] }]
    }
    case PORT.nodeInfo:
      return [{ content: nodeInfoOf(nodeInfoType.read(payload), addresses.from) }]
    case PORT.alert:
      return [{ content: alertOf(payload.toString('utf8')) }]
    case PORT.text:
      return [{ content: textOf(payload.toString('utf8'), addresses, settings.triggers) }]
    case PORT.detectionSensor:
      return [{ content: sensorOf(payload.toString('utf8'), settings.triggers) }]
    default:
      return [{ content: { is: 'other', port } }]
  }
}

export function positionPart(raw: RawPosition): ContentPart {
  const read = fixOf(raw)
  return {
    content: 'fix' in read ? { is: 'position', fix: read.fix } : { is: 'no-position', why: read.why },
    senderTimesS: [raw.fixedAtS, raw.timeS],
  }
}

/** 101 percent is how a node says that it is powered; more is nonsense, as is what is no finite number. */
export function telemetryOf(
  device: RawDeviceMetrics,
  health: { heartBpm?: number; spO2?: number; temperature?: number } = {},
): TelemetryContent {
  const { battery, voltage, channelUtilization, airUtilTx, uptimeS } = device
  const hasBattery = battery !== undefined && battery <= POWERED
  const numbers = { voltage, channelUtilization, airUtilTx, uptimeS, ...health }
  return {
    is: 'telemetry',
    ...(hasBattery ? { battery: { percent: Math.min(battery, 100), isPowered: battery === POWERED } } : {}),
    ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => Number.isFinite(value))),
  }
}

/** Whatever it says, and also when it says nothing. */
function alertOf(text: string): MeshContent {
  return { is: 'sos', trigger: 'alert', ...noteOf(text) }
}

/** A text to somebody else is theirs; one to everybody or to the gateway may call for help. */
export function textOf(text: string, { to, gateway }: Addresses, triggers: SosTriggers): MeshContent {
  const isForUs = to === BROADCAST || to === gateway
  return isForUs && isSosText(text, triggers)
    ? { is: 'sos', trigger: 'text', ...noteOf(text) }
    : { is: 'text', text: trimText(text) }
}

export function sensorOf(text: string, triggers: SosTriggers): MeshContent {
  return isSosSensor(text, triggers)
    ? { is: 'sos', trigger: 'sensor', ...noteOf(text) }
    : { is: 'text', text: trimText(text) }
}

function noteOf(text: string): { note?: string } {
  const note = trimText(text)
  return note === '' ? {} : { note }
}

export function nodeInfoOf(info: ReturnType<typeof nodeInfoType.read>, from: number): NodeInfoContent {
  const { longName, shortName, mac, publicKey, hardwareModel, role } = info
  const macText = mac ? macOf(mac) : null
  const hasKey = publicKey?.length === PUBLIC_KEY_BYTES
  return {
    is: 'node-info',
    ...(longName ? { longName: nameOf(longName) } : {}),
    ...(shortName ? { shortName: nameOf(shortName) } : {}),
    ...(macText === null ? {} : { mac: macText }),
    ...(hasKey
      ? { publicKey: publicKey.toString('hex'), isNumberOfKey: nodeNumberOfKey(publicKey) === from }
      : {}),
    ...(hardwareModel === undefined ? {} : { hardwareModel }),
    ...(role === undefined ? {} : { role }),
  }
}

/** For people to read: without control characters, and not longer than a node can hold. */
function nameOf(text: string): string {
  return Array.from(text.replace(/\p{Cc}/gu, ' ').trim())
    .slice(0, NAME_LENGTH_MAX)
    .join('')
}

const POWERED = 101
const NAME_LENGTH_MAX = 40

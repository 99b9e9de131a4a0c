import { ByteReader } from './bytes.js'
import type { Frame } from './framing.js'
import {
  ACK_PROPERTIES,
  CONNECT_PROPERTIES,
  DISCONNECT_PROPERTIES,
  PUBLISH_PROPERTIES,
  readProperties,
  SUBSCRIBE_PROPERTIES,
  UNSUBSCRIBE_PROPERTIES,
  WILL_PROPERTIES,
} from './properties.js'
import { ProtocolViolation, REASON, RETURN_CODE } from './reason.js'

/**
 * Reads and checks one packet of a client, whatever the version: 3 (MQTT 3.1), 4 (3.1.1) or 5 (5.0).
 *
 * @throws ProtocolViolation with the clause that was broken. Clauses without a version are those of 3.1.1;
 * 5.0 has the same rules under its own numbers.
 */
export function readPacket(bytes: Buffer, frame: Frame, version: Version): ClientPacket {
  const reader = new ByteReader(bytes, frame.body, frame.end)
  if (version === 5 && !frame.isMinimal) {
    throw new ProtocolViolation('MQTT-1.5.5-1', 'Remaining Length uses more bytes than needed')
  }
  switch (frame.type) {
    case TYPE.publish:
      return readPublish(reader, frame.flags, version)
    case TYPE.puback:
    case TYPE.pubrec:
    case TYPE.pubcomp:
      expectFlags(frame, 0, version)
      return readAck(reader, frame.type, version)
    case TYPE.pubrel:
      expectFlags(frame, 2, version) // [MQTT-3.6.1-1]
      return readAck(reader, frame.type, version)
    case TYPE.subscribe:
      expectFlags(frame, 2, version) // [MQTT-3.8.1-1]
      return readSubscribe(reader, version)
    case TYPE.unsubscribe:
      expectFlags(frame, 2, version) // [MQTT-3.10.1-1]
      return readUnsubscribe(reader, version)
    case TYPE.pingreq:
      expectFlags(frame, 0, version)
      reader.finish('MQTT 3.12')
      return { is: 'pingreq' }
    case TYPE.disconnect:
      expectFlags(frame, 0, version) // [MQTT-3.14.1-1]
      return readDisconnect(reader, version)
    case TYPE.connect:
      throw new ProtocolViolation('MQTT-3.1.0-2', 'a second CONNECT', REASON.protocolError)
    default:
      throw new ProtocolViolation(
        'MQTT 2.2.1',
        `a client does not send type ${frame.type}`,
        REASON.protocolError,
      )
  }
}

/** Reads and checks CONNECT, which says for itself which version it speaks. */
export function readConnect(bytes: Buffer, frame: Frame): ConnectPacket {
  if (frame.type !== TYPE.connect) {
    throw new ProtocolViolation('MQTT-3.1.0-1', 'the first packet is not CONNECT', REASON.protocolError)
  }
  if (frame.flags !== 0) throw new ProtocolViolation('MQTT-2.2.2-2', 'wrong flags in the fixed header')
  const reader = new ByteReader(bytes, frame.body, frame.end)
  const { version, isBridge } = readVersion(reader)
  try {
    if (version === 5 && !frame.isMinimal) {
      throw new ProtocolViolation('MQTT-1.5.5-1', 'Remaining Length uses more bytes than needed')
    }
    return readConnectBody(reader, version, isBridge)
  } catch (error) {
    if (error instanceof ProtocolViolation) throw new ConnectViolation(version, error)
    throw error
  }
}

/** A violation inside a CONNECT whose version could be read: a 5.0 client can be told the reason. */
export class ConnectViolation extends ProtocolViolation {
  constructor(
    readonly version: Version,
    { clause, message, reasonCode, returnCode }: ProtocolViolation,
  ) {
    super(clause, message, reasonCode, returnCode)
  }
}

export type Version = 3 | 4 | 5
export type QoS = 0 | 1 | 2

export interface ConnectPacket {
  is: 'connect'
  version: Version
  /** A broker that passes on what its own clients say. */
  isBridge: boolean
  clientId: string
  cleanSession: boolean
  /** Seconds; 0 means none. */
  keepAlive: number
  username: string | undefined
  password: Buffer | undefined
  will: { topicName: string } | undefined
  /** Packets of QoS above 0 that may be on the way to the client; 5.0 only. */
  receiveMaximum: number
  /** Bytes; 5.0 only. */
  maximumPacketSize: number
  /** Seconds the client asked us to keep its session; 5.0 only. */
  sessionExpiryInterval: number
  authenticationMethod: string | undefined
  /** Whether reason strings may be sent; 5.0 section 3.1.2.11.7. */
  wantsProblemInformation: boolean
}

export interface PublishPacket {
  is: 'publish'
  topicName: string
  qos: QoS
  isDup: boolean
  isRetained: boolean
  /** 0 when QoS is 0. */
  packetId: number
  payload: Buffer
}

export interface SubscribePacket {
  is: 'subscribe'
  packetId: number
  filters: { topicFilter: string; qos: QoS }[]
}

export interface UnsubscribePacket {
  is: 'unsubscribe'
  packetId: number
  topicFilters: string[]
}

export interface AckPacket {
  is: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'
  packetId: number
  /** 0 in 3.1 and 3.1.1. */
  reasonCode: number
}

export type ClientPacket = PacketForEngine | { is: 'pingreq' }

/** What the gate does not answer itself. */
export type PacketForEngine =
  PublishPacket | SubscribePacket | UnsubscribePacket | AckPacket | DisconnectPacket

export interface DisconnectPacket {
  is: 'disconnect'
  /** Seconds; 5.0 only. */
  sessionExpiryInterval: number
}

/** Control packet types, table 2.1. */
export const TYPE = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const

// No topic of ours has more than three levels or is longer than an encoded external id; what lies far above
// is an attack on whatever splits topics, so it ends here. docs/configuration.md names both.
const TOPIC_LEVELS_MAX = 10
const TOPIC_BYTES_MAX = 255
// The SDK sends one filter a packet. Each costs a check, a log line when refused, and a byte in the answer.
const FILTERS_MAX = 64

/** A broker that bridges to us sets the high bit of the level; it is served like any other client. */
function readVersion(reader: ByteReader): { version: Version; isBridge: boolean } {
  const protocolName = reader.string()
  if (protocolName !== 'MQTT' && protocolName !== 'MQIsdp') {
    throw new ProtocolViolation('MQTT-3.1.2-1', 'unknown protocol name', REASON.unsupportedProtocolVersion)
  }
  const level = reader.byte()
  const version = level & 0x7f
  const isBridge = level > 0x7f
  const isKnown = protocolName === 'MQIsdp' ? version === 3 : version === 4 || (version === 5 && !isBridge)
  if (!isKnown) {
    throw new ProtocolViolation(
      'MQTT-3.1.2-2',
      `protocol level ${level} is not spoken here`,
      REASON.unsupportedProtocolVersion,
      RETURN_CODE.unacceptableProtocolVersion,
    )
  }
  return { version: version as Version, isBridge }
}

function readConnectBody(reader: ByteReader, version: Version, isBridge: boolean): ConnectPacket {
  const flags = readConnectFlags(reader.byte(), version)
  const keepAlive = reader.uint16()
  const properties = version === 5 ? readProperties(reader, CONNECT_PROPERTIES) : {}
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw new ProtocolViolation(
      'MQTT5 3.1.2.11.10',
      'authentication data without a method',
      REASON.protocolError,
    )
  }
  const clientId = reader.string()
  const will = flags.hasWill ? readWill(reader, version) : undefined
  const username = flags.hasUsername ? reader.string() : undefined
  const password = flags.hasPassword ? reader.binary() : undefined
  reader.finish('MQTT 3.1.3')
  checkClientId(clientId, version, flags.cleanSession)
  return {
    is: 'connect',
    version,
    isBridge,
    clientId,
    cleanSession: flags.cleanSession,
    keepAlive,
    username,
    password,
    will,
    receiveMaximum: (properties.receiveMaximum as number | undefined) ?? 65_535,
    maximumPacketSize: (properties.maximumPacketSize as number | undefined) ?? Number.POSITIVE_INFINITY,
    sessionExpiryInterval: (properties.sessionExpiryInterval as number | undefined) ?? 0,
    authenticationMethod: properties.authenticationMethod as string | undefined,
    wantsProblemInformation: properties.requestProblemInformation !== 0,
  }
}

function readConnectFlags(flags: number, version: Version) {
  const hasWill = (flags & 0x04) !== 0
  const willQos = (flags >> 3) & 3
  const willRetain = (flags & 0x20) !== 0
  const hasPassword = (flags & 0x40) !== 0
  const hasUsername = (flags & 0x80) !== 0
  if (flags & 0x01) throw new ProtocolViolation('MQTT-3.1.2-3', 'reserved CONNECT flag is set')
  if (willQos === 3) throw new ProtocolViolation('MQTT-3.1.2-14', 'will QoS 3')
  if (!hasWill && willQos !== 0) throw new ProtocolViolation('MQTT-3.1.2-13', 'will QoS without a will')
  if (!hasWill && willRetain) throw new ProtocolViolation('MQTT-3.1.2-15', 'will retain without a will')
  if (hasPassword && !hasUsername && version !== 5) {
    throw new ProtocolViolation('MQTT-3.1.2-22', 'password without a username')
  }
  return { cleanSession: (flags & 0x02) !== 0, hasWill, hasPassword, hasUsername }
}

function readWill(reader: ByteReader, version: Version): { topicName: string } {
  if (version === 5) readProperties(reader, WILL_PROPERTIES)
  const topicName = reader.string()
  checkTopicName(topicName)
  reader.binary()
  return { topicName }
}

function checkClientId(clientId: string, version: Version, cleanSession: boolean): void {
  if (version === 3 && (clientId === '' || clientId.length > 23)) {
    throw new ProtocolViolation(
      'MQTT3.1 3.1',
      'client identifier is not 1 to 23 characters',
      REASON.clientIdentifierNotValid,
      RETURN_CODE.identifierRejected,
    )
  }
  if (version === 4 && clientId === '' && !cleanSession) {
    throw new ProtocolViolation(
      'MQTT-3.1.3-8',
      'no client identifier and clean session 0',
      REASON.clientIdentifierNotValid,
      RETURN_CODE.identifierRejected,
    )
  }
}

function readPublish(reader: ByteReader, flags: number, version: Version): PublishPacket {
  const qos = (flags >> 1) & 3
  const isDup = (flags & 8) !== 0
  if (qos === 3) throw new ProtocolViolation('MQTT-3.3.1-4', 'QoS 3')
  if (qos === 0 && isDup) throw new ProtocolViolation('MQTT-3.3.1-2', 'DUP with QoS 0')
  const topicName = reader.string()
  const packetId = qos > 0 ? readPacketId(reader) : 0
  if (version === 5) readProperties(reader, PUBLISH_PROPERTIES)
  checkTopicName(topicName)
  const payload = reader.rest()
  return {
    is: 'publish',
    topicName,
    qos: qos as QoS,
    isDup,
    isRetained: (flags & 1) !== 0,
    packetId,
    payload,
  }
}

function readAck(reader: ByteReader, type: number, version: Version): AckPacket {
  const packetId = readPacketId(reader)
  let reasonCode = 0
  if (version === 5 && reader.left > 0) {
    reasonCode = reader.byte()
    if (!ACK_REASONS[type]?.includes(reasonCode)) {
      throw new ProtocolViolation(
        'MQTT5 2.4',
        `reason code ${reasonCode} does not belong here`,
        REASON.protocolError,
      )
    }
    if (reader.left > 0) readProperties(reader, ACK_PROPERTIES)
  }
  reader.finish('MQTT 2.2.3')
  return { is: ACK_NAMES[type] as AckPacket['is'], packetId, reasonCode }
}

const ACK_NAMES: Partial<Record<number, AckPacket['is']>> = {
  [TYPE.puback]: 'puback',
  [TYPE.pubrec]: 'pubrec',
  [TYPE.pubrel]: 'pubrel',
  [TYPE.pubcomp]: 'pubcomp',
}

const PUBLICATION_ANSWERS = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
const ACK_REASONS: Partial<Record<number, number[]>> = {
  [TYPE.puback]: PUBLICATION_ANSWERS,
  [TYPE.pubrec]: PUBLICATION_ANSWERS,
  [TYPE.pubrel]: [0x00, 0x92],
  [TYPE.pubcomp]: [0x00, 0x92],
}

function readSubscribe(reader: ByteReader, version: Version): SubscribePacket {
  const packetId = readPacketId(reader)
  if (version === 5) readProperties(reader, SUBSCRIBE_PROPERTIES)
  if (reader.left === 0)
    throw new ProtocolViolation('MQTT-3.8.3-3', 'SUBSCRIBE without a filter', REASON.protocolError)
  const filters: SubscribePacket['filters'] = []
  while (reader.left > 0) {
    checkFilterCount(filters.length)
    const topicFilter = reader.string()
    checkTopicFilter(topicFilter)
    filters.push({ topicFilter, qos: readSubscriptionOptions(reader.byte(), topicFilter, version) })
  }
  return { is: 'subscribe', packetId, filters }
}

function readSubscriptionOptions(options: number, topicFilter: string, version: Version): QoS {
  const qos = options & 3
  if (qos === 3) throw new ProtocolViolation('MQTT-3-8.3-4', 'QoS 3', REASON.protocolError)
  if (version !== 5) {
    if (options > 2) throw new ProtocolViolation('MQTT-3-8.3-4', 'reserved bits of the requested QoS are set')
    return qos as QoS
  }
  if (options & 0xc0) throw new ProtocolViolation('MQTT-3.8.3-5', 'reserved subscription options are set')
  if ((options & 0x30) === 0x30) {
    throw new ProtocolViolation('MQTT5 3.8.3.1', 'Retain Handling 3', REASON.protocolError)
  }
  if (options & 0x04 && topicFilter.startsWith('$share/')) {
    throw new ProtocolViolation('MQTT-3.8.3-4', 'No Local on a shared subscription', REASON.protocolError)
  }
  return qos as QoS
}

function readUnsubscribe(reader: ByteReader, version: Version): UnsubscribePacket {
  const packetId = readPacketId(reader)
  if (version === 5) readProperties(reader, UNSUBSCRIBE_PROPERTIES)
  if (reader.left === 0) {
    throw new ProtocolViolation('MQTT-3.10.3-2', 'UNSUBSCRIBE without a filter', REASON.protocolError)
  }
  const topicFilters: string[] = []
  while (reader.left > 0) {
    checkFilterCount(topicFilters.length)
    const topicFilter = reader.string()
    checkTopicFilter(topicFilter)
    topicFilters.push(topicFilter)
  }
  return { is: 'unsubscribe', packetId, topicFilters }
}

function readDisconnect(reader: ByteReader, version: Version): DisconnectPacket {
  let sessionExpiryInterval = 0
  if (version === 5 && reader.left > 0) {
    const reasonCode = reader.byte()
    if (!DISCONNECT_REASONS.has(reasonCode)) {
      throw new ProtocolViolation(
        'MQTT5 3.14.2.1',
        `reason code ${reasonCode} in DISCONNECT`,
        REASON.protocolError,
      )
    }
    const properties = reader.left > 0 ? readProperties(reader, DISCONNECT_PROPERTIES) : {}
    sessionExpiryInterval = (properties.sessionExpiryInterval as number | undefined) ?? 0
  }
  reader.finish('MQTT 3.14')
  return { is: 'disconnect', sessionExpiryInterval }
}

// Table 3-10 of 5.0, the codes that a client may send.
const DISCONNECT_REASONS = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
])

function readPacketId(reader: ByteReader): number {
  const packetId = reader.uint16()
  if (packetId === 0) throw new ProtocolViolation('MQTT-2.3.1-1', 'packet identifier 0', REASON.protocolError)
  return packetId
}

function expectFlags(frame: Frame, flags: number, version: Version): void {
  // MQTT 3.1 sets DUP on a SUBSCRIBE, UNSUBSCRIBE or PUBREL that is sent again.
  const actual = version === 3 && flags === 2 ? frame.flags & 0x07 : frame.flags
  if (actual !== flags) throw new ProtocolViolation('MQTT-2.2.2-2', 'wrong flags in the fixed header')
}

function checkTopicName(topicName: string): void {
  if (topicName === '') throw new ProtocolViolation('MQTT-4.7.3-1', 'empty topic name', REASON.protocolError)
  if (/[+#]/.test(topicName)) {
    throw new ProtocolViolation('MQTT-3.3.2-2', 'wildcard in a topic name', REASON.topicNameInvalid)
  }
  checkTopicSize(topicName, REASON.topicNameInvalid)
}

function checkTopicFilter(topicFilter: string): void {
  if (topicFilter === '')
    throw new ProtocolViolation('MQTT-4.7.3-1', 'empty topic filter', REASON.topicFilterInvalid)
  checkTopicSize(topicFilter, REASON.topicFilterInvalid)
  const levels = topicFilter.split('/')
  levels.forEach((level, i) => {
    if (level.includes('#') && (level !== '#' || i < levels.length - 1)) {
      throw new ProtocolViolation('MQTT-4.7.1-2', '# is not the last level', REASON.topicFilterInvalid)
    }
    if (level.includes('+') && level !== '+') {
      throw new ProtocolViolation('MQTT-4.7.1-3', '+ is not a whole level', REASON.topicFilterInvalid)
    }
  })
}

function checkFilterCount(before: number): void {
  if (before >= FILTERS_MAX) {
    throw new ProtocolViolation('limit', `more than ${FILTERS_MAX} filters in a packet`, REASON.quotaExceeded)
  }
}

function checkTopicSize(topic: string, reasonCode: number): void {
  if (topicBytes(topic) > TOPIC_BYTES_MAX) {
    throw new ProtocolViolation('limit', `topic longer than ${TOPIC_BYTES_MAX} bytes`, reasonCode)
  }
  let levels = 1
  for (let i = topic.indexOf('/'); i >= 0; i = topic.indexOf('/', i + 1)) levels++
  if (levels > TOPIC_LEVELS_MAX) {
    throw new ProtocolViolation('limit', `topic with more than ${TOPIC_LEVELS_MAX} levels`, reasonCode)
  }
}

/** A percent-encoded byte counts as the one it stands for, so that an id is not too long in one alphabet only. */
function topicBytes(topic: string): number {
  const bytes = Buffer.byteLength(topic)
  if (bytes <= TOPIC_BYTES_MAX) return bytes
  return bytes - 2 * (topic.match(/%[0-9a-f]{2}/gi)?.length ?? 0)
}

import { ByteReader } from './bytes.js'
import { ProtocolViolation, REASON } from './reason.js'

/**
 * Reads the property block of a 5.0 packet (section 2.2.2) and holds it to the table of that packet:
 * only known properties, each at most once (User Property excepted), each in its range.
 */
export function readProperties(reader: ByteReader, allowed: PropertyTable): Properties {
  const length = reader.varint()
  if (length === 0) return NONE
  const block = reader.part(length)
  const found: Properties = {}
  while (block.left > 0) {
    const id = block.varint()
    const property = allowed[id]
    if (!property) throw new ProtocolViolation('MQTT5 2.2.2.2', `property ${id} does not belong here`)
    const value = READ[property.kind](block)
    if (property.kind === 'pair') continue
    if (found[property.name] !== undefined) {
      throw new ProtocolViolation('MQTT5 2.2.2.2', `${property.name} stands twice`, REASON.protocolError)
    }
    if (property.isValid && !property.isValid(value)) {
      throw new ProtocolViolation(
        property.clause ?? 'MQTT5 2.2.2.2',
        `${property.name} is out of range`,
        property.reasonCode ?? REASON.protocolError,
      )
    }
    found[property.name] = value
  }
  return found
}

export type Properties = Partial<Record<string, PropertyValue>>
type PropertyValue = number | string | Buffer
type Kind = 'byte' | 'uint16' | 'uint32' | 'varint' | 'string' | 'binary' | 'pair'

interface Property {
  name: string
  kind: Kind
  isValid?: (value: PropertyValue) => boolean
  clause?: string
  reasonCode?: number
}

export type PropertyTable = Partial<Record<number, Property>>

const NONE: Properties = Object.freeze({})

const READ: Record<Kind, (block: ByteReader) => PropertyValue> = {
  byte: (block) => block.byte(),
  uint16: (block) => block.uint16(),
  uint32: (block) => block.uint32(),
  varint: (block) => block.varint(),
  string: (block) => block.string(),
  binary: (block) => block.binary(),
  pair: (block) => `${block.string()}=${block.string()}`,
}

const isFlag = (value: PropertyValue) => value === 0 || value === 1
const isPositive = (value: PropertyValue) => (value as number) > 0
const isTopicName = (value: PropertyValue) => !/[+#]/.test(value as string)

const userProperty: Property = { name: 'userProperty', kind: 'pair' }
const reasonString: Property = { name: 'reasonString', kind: 'string' }

// What a publication may carry (3.3.2.3), also as a will (3.1.3.2).
const PUBLICATION: PropertyTable = {
  0x01: { name: 'payloadFormatIndicator', kind: 'byte', isValid: isFlag },
  0x02: { name: 'messageExpiryInterval', kind: 'uint32' },
  0x03: { name: 'contentType', kind: 'string' },
  0x08: { name: 'responseTopic', kind: 'string', isValid: isTopicName, clause: 'MQTT-3.3.2-14' },
  0x09: { name: 'correlationData', kind: 'binary' },
  0x26: userProperty,
}

/** Properties of CONNECT, 3.1.2.11. */
export const CONNECT_PROPERTIES: PropertyTable = {
  0x11: { name: 'sessionExpiryInterval', kind: 'uint32' },
  0x15: { name: 'authenticationMethod', kind: 'string' },
  0x16: { name: 'authenticationData', kind: 'binary' },
  0x17: { name: 'requestProblemInformation', kind: 'byte', isValid: isFlag },
  0x19: { name: 'requestResponseInformation', kind: 'byte', isValid: isFlag },
  0x21: { name: 'receiveMaximum', kind: 'uint16', isValid: isPositive },
  0x22: { name: 'topicAliasMaximum', kind: 'uint16' },
  0x27: { name: 'maximumPacketSize', kind: 'uint32', isValid: isPositive },
  0x26: userProperty,
}

/** Properties of a will, 3.1.3.2. */
export const WILL_PROPERTIES: PropertyTable = {
  ...PUBLICATION,
  0x18: { name: 'willDelayInterval', kind: 'uint32' },
}

/** Properties of PUBLISH, 3.3.2.3. We announced no topic alias, so every alias is too large. */
export const PUBLISH_PROPERTIES: PropertyTable = {
  ...PUBLICATION,
  0x23: {
    name: 'topicAlias',
    kind: 'uint16',
    isValid: () => false,
    clause: 'MQTT-3.3.2-9',
    reasonCode: REASON.topicAliasInvalid,
  },
}

/** Properties of SUBSCRIBE, 3.8.2.1. We announced that Subscription Identifiers are not available. */
export const SUBSCRIBE_PROPERTIES: PropertyTable = {
  0x0b: {
    name: 'subscriptionIdentifier',
    kind: 'varint',
    isValid: () => false,
    clause: 'MQTT5 3.2.2.3.12',
    reasonCode: REASON.subscriptionIdentifiersNotSupported,
  },
  0x26: userProperty,
}

/** Properties of UNSUBSCRIBE, 3.10.2.1. */
export const UNSUBSCRIBE_PROPERTIES: PropertyTable = { 0x26: userProperty }

/** Properties of PUBACK, PUBREC, PUBREL and PUBCOMP, 3.4.2.2. */
export const ACK_PROPERTIES: PropertyTable = { 0x1f: reasonString, 0x26: userProperty }

/** Properties of a client's DISCONNECT, 3.14.2.2. */
export const DISCONNECT_PROPERTIES: PropertyTable = {
  0x11: { name: 'sessionExpiryInterval', kind: 'uint32' },
  0x1f: reasonString,
  0x26: userProperty,
}

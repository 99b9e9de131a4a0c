import { createCipheriv } from 'node:crypto'

/*
 * What nodes and gateways of a mesh send, written here a second time and from the other side: nothing of the
 * product is used, so that a mistake of its reader is not made twice.
 */

type Part = Buffer | null

/** A varint of any size; negative numbers take ten bytes. */
export function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

export function tag(number: number, wireType: number): Buffer {
  return varint(BigInt(number) * 8n + BigInt(wireType))
}

export function varintField(number: number, value: number | bigint | undefined): Part {
  return value === undefined ? null : Buffer.concat([tag(number, 0), varint(value)])
}

export function fixed32Field(number: number, value: number | undefined): Part {
  if (value === undefined) return null
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return Buffer.concat([tag(number, 5), bytes])
}

export function floatField(number: number, value: number | undefined): Part {
  if (value === undefined) return null
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([tag(number, 5), bytes])
}

export function bytesField(number: number, value: Buffer | string | undefined): Part {
  if (value === undefined) return null
  const bytes = Buffer.from(value)
  return Buffer.concat([tag(number, 2), varint(bytes.length), bytes])
}

export function joinFields(...parts: Part[]): Buffer {
  return Buffer.concat(parts.filter((part) => part !== null))
}

export interface PositionFields {
  latitudeI?: number
  longitudeI?: number
  altitude?: number
  timeS?: number
  origin?: number
  fixedAtS?: number
  pdop?: number
  speed?: number
  track?: number
  satellites?: number
  precisionBits?: number
}

export function encodePosition(position: PositionFields): Buffer {
  return joinFields(
    fixed32Field(1, position.latitudeI),
    fixed32Field(2, position.longitudeI),
    varintField(3, position.altitude),
    fixed32Field(4, position.timeS),
    varintField(5, position.origin),
    fixed32Field(7, position.fixedAtS),
    varintField(11, position.pdop),
    varintField(15, position.speed),
    varintField(16, position.track),
    varintField(19, position.satellites),
    varintField(23, position.precisionBits),
  )
}

/** As a node rounds before it sends: the top bits, and then the middle of the cell. */
export function roundCoordinate(coordinateI: number, precisionBits: number): number {
  if (precisionBits >= 32) return coordinateI
  return ((coordinateI & (-1 << (32 - precisionBits))) + 2 ** (31 - precisionBits)) | 0
}

export interface TelemetryFields {
  timeS?: number
  battery?: number
  voltage?: number
  channelUtilization?: number
  airUtilTx?: number
  uptimeS?: number
}

export function encodeTelemetry({ timeS, ...device }: TelemetryFields): Buffer {
  const metrics = joinFields(
    varintField(1, device.battery),
    floatField(2, device.voltage),
    floatField(3, device.channelUtilization),
    floatField(4, device.airUtilTx),
    varintField(5, device.uptimeS),
  )
  return joinFields(fixed32Field(1, timeS), bytesField(2, metrics))
}

export function encodeNodeInfo(info: {
  id?: string
  longName?: string
  shortName?: string
  mac?: Buffer
  hardwareModel?: number
  role?: number
  publicKey?: Buffer
}): Buffer {
  return joinFields(
    bytesField(1, info.id),
    bytesField(2, info.longName),
    bytesField(3, info.shortName),
    bytesField(4, info.mac),
    varintField(5, info.hardwareModel),
    varintField(7, info.role),
    bytesField(8, info.publicKey),
  )
}

export interface PacketFields {
  from?: number
  to?: number
  id?: number
  port: number
  payload: Buffer | string
  bitfield?: number
  signature?: Buffer
  heardAtS?: number
  snr?: number
  rssi?: number
  hopLimit?: number
  hopStart?: number
  viaMqtt?: boolean
  isPki?: boolean
  /** An expanded key and the channel's hash, to encrypt it. */
  encryptFor?: { key: Buffer; hash: number }
}

export function encodeData({ port, payload, bitfield, signature }: PacketFields): Buffer {
  return joinFields(
    varintField(1, port),
    bytesField(2, payload),
    varintField(9, bitfield),
    bytesField(10, signature),
  )
}

export function encodePacket(packet: PacketFields): Buffer {
  const { from = 0x11223344, to = 0xffffffff, id = 0x9999, encryptFor } = packet
  const data = encodeData(packet)
  const body = encryptFor
    ? joinFields(varintField(3, encryptFor.hash), bytesField(5, encrypt(data, encryptFor.key, id, from)))
    : bytesField(4, data)
  return joinFields(
    fixed32Field(1, from),
    fixed32Field(2, to),
    body,
    fixed32Field(6, id),
    fixed32Field(7, packet.heardAtS),
    floatField(8, packet.snr),
    varintField(9, packet.hopLimit),
    varintField(12, packet.rssi),
    varintField(14, packet.viaMqtt ? 1 : undefined),
    varintField(15, packet.hopStart),
    varintField(17, packet.isPki ? 1 : undefined),
  )
}

export function encodeEnvelope(
  packet: PacketFields | Buffer,
  { channelName = 'LongFast', gatewayId = '!a1b2c3d4' } = {},
): Buffer {
  const bytes = Buffer.isBuffer(packet) ? packet : encodePacket(packet)
  return joinFields(bytesField(1, bytes), bytesField(2, channelName), bytesField(3, gatewayId))
}

/** AES-CTR from packet id and sender, both little-endian. */
function encrypt(data: Buffer, key: Buffer, id: number, from: number): Buffer {
  const counter = Buffer.alloc(16)
  counter.writeBigUInt64LE(BigInt(id), 0)
  counter.writeUInt32LE(from, 8)
  return createCipheriv(key.length === 16 ? 'aes-128-ctr' : 'aes-256-ctr', key, counter).update(data)
}

/** The public key of channels that nobody gave one. */
export const DEFAULT_KEY = Buffer.from('d4f1bb3a20290759f0bcffabcf4e6901', 'hex')

export interface EixamPosition {
  latitude: number
  longitude: number
  altitude: number
}

/** 20, 21 and 7 bits, little-endian; without a position all zero. */
export function packEixamPosition(position: EixamPosition | undefined): Buffer {
  const bytes = Buffer.alloc(6)
  if (!position) return bytes
  const latitude = BigInt(Math.round(((position.latitude + 90) * 2 ** 20) / 180))
  const longitude = BigInt(Math.round(((position.longitude + 180) * 2 ** 21) / 360))
  const altitude = BigInt(Math.round(position.altitude / 40))
  const packed = latitude | (longitude << 20n) | (altitude << 41n)
  const wide = Buffer.alloc(8)
  wide.writeBigUInt64LE(packed)
  return wide.subarray(0, 6)
}

export function encodeEixamSos(sos: {
  device: number
  position?: EixamPosition
  sosType?: number
  retries?: number
  relays?: number
  battery?: number
  gpsQuality?: number
  speed?: number
  packetId?: number
}): Buffer {
  const { sosType = 1, retries = 0, relays = 0, battery = 3, gpsQuality = 3, speed = 0, packetId = 0 } = sos
  const flags =
    (sosType << 14) |
    (retries << 12) |
    (relays << 10) |
    (battery << 8) |
    (gpsQuality << 6) |
    (speed << 4) |
    packetId
  return Buffer.concat([uint16(sos.device), packEixamPosition(sos.position), uint16(flags)])
}

export function encodeEixamTel(tel: {
  device: number
  position?: EixamPosition
  battery?: number
  gpsQuality?: number
  packetId?: number
  speed?: number
  heading?: number
}): Buffer {
  const { battery = 3, gpsQuality = 3, packetId = 0, speed = 0, heading = 0 } = tel
  return Buffer.concat([
    uint16(tel.device),
    packEixamPosition(tel.position),
    Buffer.from([(battery << 6) | (gpsQuality << 4) | packetId, (speed << 4) | heading]),
  ])
}

function uint16(value: number): Buffer {
  return Buffer.from([value & 0xff, value >> 8])
}

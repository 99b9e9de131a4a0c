import { checkFix } from './fix.js'
import type { FixOrWhy } from './fix.js'
import type { RadioState } from './mesh-message.js'

/**
 * Packets of EIXAM wearables. Telemetry and SOS both have ten bytes and no type in them: whoever forwards them says
 * which they are, by a topic or a port. Numbers are little-endian.
 */
export type EixamKind = 'tel' | 'sos'

export type EixamPacket =
  | { is: 'sos'; state: RadioState & { sosType: number; relays: number }; position?: FixOrWhy }
  | { is: 'sos-event'; by: 'user' | 'app'; becomes?: 'inactive' | 'resolved'; device: number }
  | { is: 'tel'; state: RadioState; position: FixOrWhy }
  /** A device's own telemetry and that of another one that it heard. */
  | { is: 'tel-relay'; own: EixamTel; peer: EixamTel }
  | { is: 'status'; state: RadioState }
  /** A part of a longer packet, as it crosses Bluetooth. */
  | EixamFragment
  /** Two devices during a guided rescue. */
  | { is: 'rescue' }

export interface EixamFragment {
  is: 'fragment'
  /** Bytes of the whole packet, and where in it these begin. */
  total: number
  offset: number
  bytes: Buffer
}

interface EixamTel {
  state: RadioState
  position: FixOrWhy
}

/** Null when it is none of the packets of its kind. */
export function readEixamPacket(kind: EixamKind, bytes: Buffer): EixamPacket | null {
  if (bytes.length === STATUS_BYTES && bytes.readUIntBE(0, 3) === STATUS_START) return readStatus(bytes)
  return kind === 'sos' ? readSos(bytes) : readTel(bytes)
}

function readSos(bytes: Buffer): EixamPacket | null {
  switch (bytes.length) {
    case 10:
      return { is: 'sos', state: readSosState(bytes, 8), position: readPosition(bytes, 2) }
    case 5:
      return { is: 'sos', state: { ...readSosState(bytes, 2), sequence: bytes.readUInt8(4) } }
    case 4:
      return readSosEvent(bytes)
    default:
      return null
  }
}

function readSosState(bytes: Buffer, at: number) {
  const flags = bytes.readUInt16LE(at)
  return {
    device: bytes.readUInt16LE(0),
    sosType: flags >> 14,
    retries: (flags >> 12) & 3,
    relays: (flags >> 10) & 3,
    battery: (flags >> 8) & 3,
    gpsQuality: (flags >> 6) & 3,
    speed: (flags >> 4) & 3,
    packetId: flags & 15,
  }
}

function readSosEvent(bytes: Buffer): EixamPacket | null {
  const [opcode, subcode] = bytes
  const device = bytes.readUInt16LE(2)
  if (opcode !== USER_DEACTIVATED && opcode !== APP_CANCEL_ACKNOWLEDGED) return null
  const by = opcode === USER_DEACTIVATED ? 'user' : 'app'
  if (subcode === 1) return { is: 'sos-event', by, becomes: 'inactive', device }
  const isResolved = subcode === 2 || (subcode === 3 && by === 'app')
  return { is: 'sos-event', by, ...(isResolved ? { becomes: 'resolved' } : {}), device }
}

/**
 * Ten bytes are telemetry unless they begin with another packet's mark and hold values that only that one has: a
 * device's id may begin with the mark of a fragment, and its position hold the one of a rescue.
 */
function readTel(bytes: Buffer): EixamPacket | null {
  const [mark] = bytes
  const fragment = mark === FRAGMENT ? readFragment(bytes) : null
  if (fragment) return fragment
  if (bytes.length === 10) return isRescue(bytes) ? { is: 'rescue' } : { is: 'tel', ...readTelAt(bytes, 0) }
  if (bytes.length !== 23 || mark !== RELAY) return null
  const heard = { snr: bytes.readInt8(11), rssi: bytes.readInt8(12) }
  const peer = readTelAt(bytes, 1)
  return {
    is: 'tel-relay',
    own: readTelAt(bytes, 13),
    peer: { ...peer, state: { ...peer.state, ...heard } },
  }
}

function readFragment(bytes: Buffer): EixamFragment | null {
  if (bytes.length < 6 || bytes.length > 20) return null
  const [total, offset] = [bytes.readUInt16LE(1), bytes.readUInt16LE(3)]
  const part = bytes.subarray(5)
  const isPart = total > FRAGMENT_BYTES_MAX && total <= FRAGMENTED_BYTES_MAX && offset + part.length <= total
  return isPart ? { is: 'fragment', total, offset, bytes: part } : null
}

function readTelAt(bytes: Buffer, at: number): EixamTel {
  const [low, high] = [bytes.readUInt8(at + 8), bytes.readUInt8(at + 9)]
  return {
    state: {
      device: bytes.readUInt16LE(at),
      battery: low >> 6,
      gpsQuality: (low >> 4) & 3,
      packetId: low & 15,
      speed: high >> 4,
      heading: high & 15,
    },
    position: readPosition(bytes, at + 2),
  }
}

/** 48 bits: 20 of latitude, 21 of longitude, 7 of altitude in steps of 40 m. All zero is no fix. */
function readPosition(bytes: Buffer, at: number): FixOrWhy {
  const packed = bytes.readUIntLE(at, 6)
  if (packed === 0) return { why: 'zero' }
  const latitude = packed % 2 ** 20
  const longitude = Math.floor(packed / 2 ** 20) % 2 ** 21
  const altitude = Math.floor(packed / 2 ** 41)
  return checkFix((latitude * 180) / 2 ** 20 - 90, (longitude * 360) / 2 ** 21 - 180, altitude * 40)
}

function readStatus(bytes: Buffer): EixamPacket {
  const batteryPercent = bytes.readUInt8(9)
  return {
    is: 'status',
    state: { device: bytes.readUInt16LE(7), ...(batteryPercent <= 100 ? { batteryPercent } : {}) },
  }
}

/** Byte 5 is a state of five, bytes 6 and 7 are levels, byte 9 has two flags. */
function isRescue(bytes: Buffer): boolean {
  const limits = [4, 3, 3, 255, 3]
  return bytes[4] === RESCUE && limits.every((limit, i) => bytes.readUInt8(5 + i) <= limit)
}

const USER_DEACTIVATED = 0xe1
const APP_CANCEL_ACKNOWLEDGED = 0xe2
const FRAGMENT = 0xd0
const RELAY = 0xd2
/** What is not longer needs no fragments. */
const FRAGMENT_BYTES_MAX = 15
/** The longest packet known has 23. */
const FRAGMENTED_BYTES_MAX = 255
const RESCUE = 0x85
const STATUS_START = 0xe97801
const STATUS_BYTES = 12

import type { Credentials } from './broker.js'
import type { Version } from './wire-packets.js'
import { sosPayload, telemetryPayload } from './wire-packets.js'

/** Numbers that look random and come again with the same seed (mulberry32). */
export class Random {
  constructor(public state: number) {}

  /** From 0 to below `limit`. */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let x = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 4_294_967_296) * limit)
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) bytes[i] = this.below(256)
    return bytes
  }
}

/** A packet taken apart: first byte and fields; Remaining Length follows from the fields. */
export interface Parts {
  first: number
  fields: Buffer[]
}

/** A valid packet of any kind a client sends, CONNECT left out. */
export function validPacket(random: Random, user: Credentials, version: Version): Parts {
  const id = uint16(1 + random.below(65_535))
  const properties = version === 5 ? [random.pick(PROPERTIES)] : []
  const ack = version === 5 ? random.pick([[], [Buffer.of(0)], [Buffer.of(0), Buffer.of(0)]]) : []
  switch (random.below(12)) {
    case 0:
      return { first: 0x30, fields: [text('sos/alerts'), ...properties, sos(random)] }
    case 1:
      return { first: 0x32, fields: [text('sos/alerts'), id, ...properties, sos(random)] }
    case 2:
      return { first: 0x34, fields: [text('tel/data'), id, ...properties, telemetry(random)] }
    case 3:
    case 4:
      return { first: 0x32, fields: [text('tel/data'), id, ...properties, telemetry(random)] }
    case 5:
      return {
        first: 0x30,
        fields: [text(`tel/${user.externalUserId}/data`), ...properties, telemetry(random)],
      }
    case 6: {
      const filter = [text(`sos/events/${user.externalUserId}`), Buffer.of(1)]
      return { first: 0x82, fields: [id, ...properties.map(() => Buffer.of(0)), ...filter] }
    }
    case 7:
      return { first: 0xa2, fields: [id, ...properties.map(() => Buffer.of(0)), text('sos/events/x')] }
    case 8:
      return { first: random.pick([0x40, 0x50, 0x62, 0x70]), fields: [id, ...ack] }
    case 9:
      return { first: 0xc0, fields: [] }
    case 10:
      return { first: 0xe0, fields: ack }
    default:
      return { first: random.pick([0x20, 0x90, 0xb0, 0xd0, 0xf0, 0x00]), fields: [id, Buffer.of(0)] }
  }
}

export function validConnect(user: Credentials, version: Version, keepAlive: number): Parts {
  return {
    first: 0x10,
    fields: [
      text('MQTT'),
      Buffer.of(version),
      Buffer.of(0xc2),
      uint16(keepAlive),
      ...(version === 5 ? [Buffer.of(0)] : []),
      text('fuzz'),
      text(user.username),
      text(user.password),
    ],
  }
}

/**
 * One case behind a login: random bytes, or a valid packet with something wrong about it. In one of ten the
 * packet itself is broken, which mostly ends the connection; in the others its content, so that more can follow.
 */
export function hostilePacket(random: Random, user: Credentials, version: Version): Buffer {
  const kind = random.below(60)
  if (kind === 0) return random.bytes(1 + random.below(60))
  return kind < 6
    ? mutate(random, validPacket(random, user, version))
    : encode(hostileContent(random, user, version))
}

/** Well formed, but what it says is wrong, odd or out of turn. */
function hostileContent(random: Random, user: Credentials, version: Version): Parts {
  const id = uint16(1 + random.below(65_535))
  const properties = version === 5 ? [random.pick(PROPERTIES)] : []
  const none = version === 5 ? [Buffer.of(0)] : []
  const own = Buffer.from(encodeURIComponent(user.externalUserId))
  switch (random.below(16)) {
    case 0: {
      const payload = mutateContent(random, random.pick(REPORTS))
      return { first: 0x32, fields: [text('sos/alerts'), id, ...properties, payload] }
    }
    case 1:
    case 2:
    case 3:
    case 4:
      return { first: random.pick([0x40, 0x50, 0x62, 0x70]), fields: [id] }
    case 5:
    case 6: {
      const filter = Buffer.concat([Buffer.from('sos/events/'), mutateBytes(random, own)]).toString('latin1')
      const isReadable = /^[!-"$-*,-~]+$/.test(filter)
      return {
        first: 0x82,
        fields: [id, ...none, text(isReadable ? filter : 'sos/events/x'), Buffer.of(random.below(3))],
      }
    }
    case 7:
    case 8:
    case 9:
      return {
        first: 0xa2,
        fields: [id, ...none, text(random.pick(['sos/events/x', '+', '#', 'a/+/b'])), text('/')],
      }
    case 10: {
      const payload = mutateContent(random, random.pick(TELEMETRY))
      return { first: 0x34, fields: [text('tel/data'), uint16(1 + random.below(4)), ...properties, payload] }
    }
    default: {
      const payload = mutateContent(random, random.pick(TELEMETRY))
      return { first: 0x32, fields: [text('tel/data'), id, ...properties, payload] }
    }
  }
}

function mutateContent(random: Random, payload: Buffer): Buffer {
  if (random.below(8) === 0) return random.bytes(random.below(300))
  let mutated = payload
  for (let i = random.below(6); i >= 0; i--) mutated = mutateBytes(random, mutated)
  return random.below(8) === 0 ? mutated.subarray(0, random.below(mutated.length)) : mutated
}

/** One case before a login. */
export function hostileConnect(random: Random, user: Credentials, version: Version): Buffer {
  switch (random.below(10)) {
    case 0:
      return random.bytes(1 + random.below(200))
    case 1:
      return mutate(random, validPacket(random, user, version))
    default:
      return mutate(random, validConnect(user, version, 30))
  }
}

export function mutate(random: Random, packet: Parts): Buffer {
  const rounds = 1 + random.below(2)
  let bytes: Buffer | null = null
  for (let i = 0; i < rounds; i++) {
    if (bytes) bytes = mutateBytes(random, bytes)
    else if (random.below(3) > 0) mutateField(random, packet)
    else bytes = mutatePacket(random, encode(packet))
  }
  return bytes ?? encode(packet)
}

/** Field level: the packet as a whole stays well framed. */
function mutateField(random: Random, packet: Parts): void {
  const { fields } = packet
  const at = random.below(fields.length + 1)
  const field = fields[at]
  if (!field) {
    if (random.below(2) === 0)
      packet.first ^= 1 << random.below(4) // flags
    else fields.push(random.bytes(random.below(8))) // excess bytes
    return
  }
  switch (random.below(7)) {
    case 0:
      fields.splice(at, 1)
      break
    case 1:
      fields.splice(at, 0, field) // twice
      break
    case 2:
      fields[at] = text(random.pick(STRINGS))
      break
    case 3:
      fields[at] = Buffer.alloc(field.length, random.pick([0x00, 0xff, 0x80]))
      break
    case 4:
      if (field.length >= 2) {
        fields[at] = Buffer.from(field)
        fields[at].writeUInt16BE(random.pick([0, 1, field.length - 1, field.length, 0x7fff, 0xffff]), 0)
      }
      break
    case 5:
      fields[at] = random.pick(HOSTILE_PROPERTIES)
      break
    default:
      fields[at] = mutateBytes(random, field)
  }
}

/** Packet level: Remaining Length is wrong, or the packet is cut, doubled or of another type. */
function mutatePacket(random: Random, bytes: Buffer): Buffer {
  const body = bytes.subarray(1 + lengthBytes(bytes))
  const first = bytes.subarray(0, 1)
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([first, random.pick(LENGTHS), body])
    case 1:
      return bytes.subarray(0, random.below(bytes.length))
    case 2:
      return Buffer.concat([bytes, bytes])
    case 3:
      return Buffer.concat([Buffer.of(random.below(256)), bytes.subarray(1)])
    case 4:
      return Buffer.concat([first, encodeLength(body.length + random.below(5) - 2), body])
    default:
      return Buffer.concat([first, encodeLength(body.length, true), body])
  }
}

export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  const at = random.below(copy.length)
  switch (random.below(4)) {
    case 0:
      if (copy.length > 0) copy[at] = (copy[at] as number) ^ (1 << random.below(8))
      return copy
    case 1:
      if (copy.length > 0) copy[at] = random.below(256)
      return copy
    case 2:
      return Buffer.concat([copy.subarray(0, at), random.bytes(1 + random.below(4)), copy.subarray(at)])
    default:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + random.below(3))])
  }
}

export function encode({ first, fields }: Parts): Buffer {
  const body = Buffer.concat(fields)
  return Buffer.concat([Buffer.of(first), encodeLength(body.length), body])
}

/** `isLong`: with a byte more than needed. */
function encodeLength(length: number, isLong = false): Buffer {
  const bytes: number[] = []
  let rest = Math.max(0, length)
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>= 7
  } while (rest > 0)
  if (isLong) bytes.push(0, (bytes.pop() as number) | 0x80)
  if (isLong) bytes.reverse()
  return Buffer.from(bytes)
}

function lengthBytes(bytes: Buffer): number {
  let count = 1
  while (((bytes[count] ?? 0) & 0x80) > 0) count++
  return count
}

function text(value: string): Buffer {
  const raw = Buffer.from(value)
  return Buffer.concat([uint16(raw.length), raw])
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

const REPORTS = Array.from({ length: 200 }, (_, n) => Buffer.from(sosPayload(n)))
const TELEMETRY = Array.from({ length: 200 }, (_, n) => Buffer.from(telemetryPayload(n)))
const sos = (random: Random) =>
  random.below(4) > 0 ? random.pick(REPORTS) : Buffer.from(random.pick(PAYLOADS))
const telemetry = (random: Random) =>
  random.below(4) > 0 ? random.pick(TELEMETRY) : Buffer.from(random.pick(PAYLOADS))

const PAYLOADS = [
  '',
  '{',
  '{}',
  '[]',
  'null',
  '"',
  '{"timestamp":1}',
  '{"latitude":"x"',
  '\u0000',
  'é',
  '{"userId":[]}',
]
const STRINGS = [
  '',
  '\u0000',
  '\u0001',
  '\ufffe',
  '+',
  '#',
  'a/+/b',
  'a/#/b',
  '/',
  '/'.repeat(20),
  '$SYS/#',
  '$share/a/b',
  'x'.repeat(300),
]
const LENGTHS = ['00', '7f', 'ff7f', 'ffffff7f', 'ffffffff', 'ffffffff7f', '8000', '80808000', 'ff'].map(
  (hex) => Buffer.from(hex, 'hex'),
)
// Each with its length in front. Payload format, message expiry, content type, user property.
const PROPERTIES = ['00', '020101', '050200000001', '04030001 61', '0726000161000162'].map((hex) =>
  Buffer.from(hex.replaceAll(' ', ''), 'hex'),
)
// Unknown, twice, not of this packet, topic alias, subscription identifier 0, length past the end, a length of five bytes.
const HOSTILE_PROPERTIES = [
  '02ff00',
  '0401010101',
  '0321000a',
  '03230001',
  '020b00',
  '7f0101',
  '8080808001',
  '0126',
  '05160003',
].map((hex) => Buffer.from(hex, 'hex'))

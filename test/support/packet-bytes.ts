import type { Credentials } from './broker.js'

/*
 * MQTT packets written by hand, so that a test can also write what no encoder would. Names and numbers are
 * those of the specification.
 */

/** `c0 00` → bytes. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
}

export function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

export function uint32(value: number): Buffer {
  return Buffer.from([value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff])
}

/** A string or binary field with its length in front. */
export function field(value: string | Buffer): Buffer {
  const raw = Buffer.from(value)
  return Buffer.concat([uint16(raw.length), raw])
}

export function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80)
  return Buffer.from([...bytes, value])
}

/** First byte, Remaining Length, body. */
export function packet(first: number, ...body: Buffer[]): Buffer {
  const bytes = Buffer.concat(body)
  return Buffer.concat([Buffer.from([first]), varint(bytes.length), bytes])
}

/** A 5.0 property block with its length in front; each property is its identifier and its value. */
export function properties(...block: Buffer[]): Buffer {
  const bytes = Buffer.concat(block)
  return Buffer.concat([varint(bytes.length), bytes])
}

export interface ConnectFields {
  first?: number
  protocolName?: string | Buffer
  level?: number
  flags?: number
  keepAlive?: number
  /** A whole property block; 5.0 only. */
  properties?: Buffer
  clientId?: string | Buffer
  /** Everything between client identifier and username. */
  will?: Buffer
  username?: string | Buffer | null
  password?: string | Buffer | null
  /** Bytes behind the last field. */
  excess?: Buffer
}

/** The body of a CONNECT: valid and clean with these credentials, but for what `fields` changes. */
export function connectBody(credentials: Credentials, fields: ConnectFields = {}): Buffer {
  const { protocolName = 'MQTT', level = 4, flags = 0xc2, keepAlive = 30, clientId = 'row' } = fields
  const { username = credentials.username, password = credentials.password } = fields
  return Buffer.concat([
    field(protocolName),
    Buffer.from([level, flags]),
    uint16(keepAlive),
    level === 5 ? (fields.properties ?? properties()) : Buffer.alloc(0),
    field(clientId),
    fields.will ?? Buffer.alloc(0),
    username === null ? Buffer.alloc(0) : field(username),
    password === null ? Buffer.alloc(0) : field(password),
    fields.excess ?? Buffer.alloc(0),
  ])
}

export function connect(credentials: Credentials, fields: ConnectFields = {}): Buffer {
  return packet(fields.first ?? 0x10, connectBody(credentials, fields))
}

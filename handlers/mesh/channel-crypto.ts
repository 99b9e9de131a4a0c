import { createDecipheriv } from 'node:crypto'
import { dataType, PORT } from './packets.js'
import type { Data } from './packets.js'
import { ProtobufError } from './protobuf.js'

/** A channel as its members know it; the key in any of the lengths that a node takes. */
export interface Channel {
  name: string
  key: Buffer
}

export interface ChannelKey {
  name: string
  /** 16 or 32 bytes; none when the channel is not encrypted. */
  key: Buffer
  /** One byte that stands in each encrypted packet of the channel. */
  hash: number
}

/** @throws RangeError when a key is longer than 32 bytes. */
export function createChannelKeys(channels: readonly Channel[]): ChannelKey[] {
  return channels.map((channel) => {
    const key = expandKey(channel.key)
    return { name: channel.name, key, hash: channelHash(channel.name, key) }
  })
}

/**
 * The AES key of what a channel has as its key: nothing, or one byte 0, is no encryption; one byte n is the public
 * default key with n - 1 added to its last byte; others are filled with zeros to 16 or 32 bytes.
 *
 * @throws RangeError when it is longer than 32 bytes.
 */
export function expandKey(key: Buffer): Buffer {
  if (key.length > 32) throw new RangeError('a channel key has at most 32 bytes')
  if (key.length === 0) return key
  if (key.length === 1) {
    const index = key[0] as number
    if (index === 0) return Buffer.alloc(0)
    const expanded = Buffer.from(DEFAULT_KEY)
    expanded[15] = ((expanded[15] as number) + index - 1) & 0xff
    return expanded
  }
  return Buffer.concat([key], key.length <= 16 ? 16 : 32)
}

/** The bytes of the name and of the expanded key, all XORed. */
export function channelHash(name: string, key: Buffer): number {
  return [...Buffer.from(name), ...key].reduce((hash, byte) => hash ^ byte, 0)
}

/** What AES-CTR starts to count from: packet id and sender, little-endian in eight and four bytes, then zeros. */
export function counterBlock(packetId: number, from: number): Buffer {
  const block = Buffer.alloc(16)
  block.writeUInt32LE(packetId, 0)
  block.writeUInt32LE(from, 8)
  return block
}

/** AES-CTR with a key of 16 or 32 bytes; the same both ways. */
export function applyAesCtr(key: Buffer, counter: Buffer, bytes: Buffer): Buffer {
  return createDecipheriv(key.length === 16 ? 'aes-128-ctr' : 'aes-256-ctr', key, counter).update(bytes)
}

export interface EncryptedPacket {
  from: number
  packetId: number
  hash: number
  encrypted: Buffer
  /** As the gateway calls it; absent where nobody said. */
  channelName?: string
}

/**
 * Tries the keys that an app has configured: those of the channel's name and hash first, then those of the hash, then
 * all, because a gateway may call a channel otherwise than the app does. Nothing in a packet proves a key; it fits
 * when what comes out can be read. Where not even the hash speaks for a key, it must look exactly as nodes
 * write it, or noise would be read as a message now and then. Null when no key fits.
 */
export function decryptPacket(packet: EncryptedPacket, keys: readonly ChannelKey[]): Data | null {
  const { from, packetId, hash, encrypted, channelName } = packet
  const counter = counterBlock(packetId, from)
  const inOrder = [
    ...keys.filter((key) => key.hash === hash && key.name === channelName),
    ...keys.filter((key) => key.hash === hash && key.name !== channelName),
    ...keys.filter((key) => key.hash !== hash),
  ]
  for (const { key, hash: ownHash } of inOrder) {
    const plain = key.length === 0 ? encrypted : applyAesCtr(key, counter, encrypted)
    if (ownHash !== hash && !isAsNodesWrite(plain)) continue
    const data = readData(plain)
    if (data) return data
  }
  return null
}

function readData(plain: Buffer): Data | null {
  try {
    const data = dataType.read(plain)
    return data.port ? data : null
  } catch (error) {
    if (error instanceof ProtobufError) return null
    throw error
  }
}

/** A port that we read or a private one, then the payload, each with its tag in front. */
function isAsNodesWrite(plain: Buffer): boolean {
  const [tag, low = 0, high = 0] = plain
  const isLong = low >= 0x80
  const port = isLong ? (low & 0x7f) + high * 128 : low
  return (
    tag === PORT_TAG &&
    (PORTS.has(port) || (port >= 256 && port <= 511)) &&
    plain[isLong ? 3 : 2] === PAYLOAD_TAG
  )
}

const PORT_TAG = 0x08
const PAYLOAD_TAG = 0x12
const PORTS: ReadonlySet<number> = new Set(Object.values(PORT))
/** Public: everybody who reads the air has it. */
const DEFAULT_KEY = Buffer.from('1PG7OiApB1nwvP+rz05pAQ==', 'base64')

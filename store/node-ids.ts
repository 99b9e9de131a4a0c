import { crc32 } from 'node:zlib'

/** `!` and eight hex digits, as nodes and gateways name themselves. */
export function nodeIdOf(nodeNumber: number): string {
  return `!${nodeNumber.toString(16).padStart(8, '0')}`
}

/** The number in a node id of either case; null when it is none. */
export function readNodeId(text: unknown): number | null {
  return typeof text === 'string' && NODE_ID.test(text) ? Number.parseInt(text.slice(1), 16) : null
}

/**
 * The number that firmware up to 2.7 takes at its first boot: the last four bytes of its MAC address. Not
 * certain: after a collision it takes a random one, and 2.8 takes another at its first boot. Null when the text is no
 * MAC address or the number would be none that a node keeps.
 */
export function nodeNumberOfMac(mac: string): number | null {
  const match = MAC_ADDRESS.exec(mac)
  const number = match ? Number.parseInt((match[1] as string).replaceAll(':', ''), 16) : 0
  return number < FIRST_NODE_NUMBER || number === LAST_NODE_NUMBER + 1 ? null : number
}

/** The number that firmware 2.8 has: the CRC-32 of its public key. Null when it is no key of 32 bytes. */
export function nodeNumberOfKey(publicKey: Buffer): number | null {
  return publicKey.length === PUBLIC_KEY_BYTES ? crc32(publicKey) : null
}

/**
 * The MAC address that an ESP32 gives its mesh, from the one that a phone sees over Bluetooth: the last octet less
 * two, without carry. Null when the text is no MAC address, or a random static one (both top bits set): those are
 * the same on either side.
 */
export function meshMacOfBluetooth(mac: string): string | null {
  if (!MAC_ADDRESS.test(mac)) return null
  if (Number.parseInt(mac.slice(0, 2), 16) >= 0xc0) return null
  const last = (Number.parseInt(mac.slice(-2), 16) + 0xfe) & 0xff
  return `${mac.slice(0, -2)}${last.toString(16).padStart(2, '0')}`.toUpperCase()
}

/** A MAC address as upper-case text; null when the bytes are none, or the zeros that stand for none. */
export function macOf(bytes: Buffer): string | null {
  if (bytes.length !== 6 || bytes.every((byte) => byte === 0)) return null
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':')
}

const NODE_ID = /^![0-9a-f]{8}$/i
const MAC_ADDRESS = /^[0-9a-f]{2}:[0-9a-f]{2}:((?:[0-9a-f]{2}:){3}[0-9a-f]{2})$/i
/** Numbers below are reserved, the one above is everybody. */
const FIRST_NODE_NUMBER = 4
const LAST_NODE_NUMBER = 0xfffffffe
export const PUBLIC_KEY_BYTES = 32

/**
 * Keys under which the owner of a device with this hardware id is found by the number that its node has up to firmware
 * 2.7. Two where the id may be the one that a phone sees over Bluetooth: all of them belong to the one chip.
 */
export function meshKeysOfDevice(hardwareId: string): string[] {
  const macs = [hardwareId, meshMacOfBluetooth(hardwareId)].filter((mac) => mac !== null)
  return macs.map(nodeNumberOfMac).flatMap((number) => (number === null ? [] : [meshKeyOf(nodeIdOf(number))]))
}

/** Apart from the ids of devices, which no client sends with a space in front. */
export function meshKeyOf(nodeId: string): string {
  return ` mesh ${nodeId}`
}

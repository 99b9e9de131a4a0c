import type { Version } from './packets.js'

/** What the generator has to know of a packet that came. */
export interface PacketHandler {
  onConnack(code: number): void
  onSuback(code: number): void
  onPuback(packetId: number, code: number): void
  onPublish(packetId: number, payload: Buffer): void
}

/**
 * Reads the few packets that a broker sends to the generator. The bytes of a chunk are looked at in place: they may
 * be overwritten when the call has returned.
 */
export function createPacketReader(version: Version, handler: PacketHandler): (chunk: Buffer) => void {
  let rest: Buffer | null = null

  return (chunk) => {
    let bytes = chunk
    if (rest) {
      bytes = Buffer.concat([rest, chunk])
      rest = null
    }
    let at = 0
    while (at < bytes.length) {
      const body = readLength(bytes, at)
      if (!body || body.end > bytes.length) break
      take(bytes, at, body.start, body.end)
      at = body.end
    }
    if (at < bytes.length) rest = Buffer.from(bytes.subarray(at))
  }

  function take(bytes: Buffer, at: number, start: number, end: number): void {
    switch ((bytes[at] as number) >> 4) {
      case 2:
        return handler.onConnack(bytes[start + 1] as number)
      case 3: {
        const idAt = start + 2 + bytes.readUInt16BE(start)
        const hasId = ((bytes[at] as number) & 0x06) !== 0
        const packetId = hasId ? bytes.readUInt16BE(idAt) : 0
        let payloadAt = idAt + (hasId ? 2 : 0)
        if (version === 5) payloadAt += 1 + (bytes[payloadAt] as number) // nobody sends 128 bytes of properties
        return handler.onPublish(packetId, bytes.subarray(payloadAt, end))
      }
      case 4:
        return handler.onPuback(bytes.readUInt16BE(start), end - start > 2 ? (bytes[start + 2] as number) : 0)
      case 9:
        return handler.onSuback(bytes[end - 1] as number)
      default:
    }
  }
}

function readLength(bytes: Buffer, at: number): { start: number; end: number } | null {
  let length = 0
  for (let i = 0; i < 4; i++) {
    const digit = bytes[at + 1 + i]
    if (digit === undefined) return null
    length += (digit & 0x7f) * 128 ** i
    if (digit < 0x80) return { start: at + 2 + i, end: at + 2 + i + length }
  }
  throw new Error('the broker sent a remaining length of more than four bytes')
}

import type { Found } from './first-bytes.js'

/**
 * Waits for a whole ClientHello before TLS sees a byte. OpenSSL takes room for what a client announces, up to
 * 128 KiB, and 40 KiB for half a hello of 500 bytes; here neither costs more than what was sent.
 * Anything that is no handshake is found at once: TLS knows what to answer.
 */
export function findClientHello(bytes: Buffer): Found<true> {
  const found = { is: 'found', value: true, length: 0 } as const
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== HANDSHAKE_RECORD) return found
    if (parts.length === RECORDS_MAX) return { is: 'wrong' }
    if (bytes.length < at + RECORD_HEADER_BYTES) return { is: 'more' }
    const length = bytes.readUInt16BE(at + 3)
    const body = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length)
    parts.push(body)
    const message = parts.length === 1 ? body : Buffer.concat(parts)
    if (message.length >= MESSAGE_HEADER_BYTES) {
      if (message[0] !== CLIENT_HELLO) return found
      const end = MESSAGE_HEADER_BYTES + message.readUIntBE(1, 3)
      if (end > CLIENT_HELLO_BYTES_MAX) return { is: 'wrong' }
      if (message.length >= end) return found
    }
    if (body.length < length) return { is: 'more' }
    at += RECORD_HEADER_BYTES + length
  }
  return { is: 'more' }
}

/** A hello with a post-quantum key share, a session ticket and an encrypted name has about 3 KiB. */
export const CLIENT_HELLO_BYTES_MAX = 8_192
/** Hellos come in one record, from some clients in a few. */
const RECORDS_MAX = 16
const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1
const RECORD_HEADER_BYTES = 5
const MESSAGE_HEADER_BYTES = 4

import ipaddr from 'ipaddr.js'
import type { Found } from './first-bytes.js'

export interface Source {
  /** Textual IP address. */
  address: string
  port: number
}

/** `source` is null when the proxy speaks for itself (LOCAL) or does not know whom it speaks for. */
export type ProxyHeader = { is: 'header'; source: Source | null } | { is: 'none' }

/**
 * The PROXY protocol header at the start of a connection, version 1 or 2
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). `none`: the bytes start with something else.
 */
export function readProxyHeader(bytes: Buffer): Found<ProxyHeader> {
  if (startsLike(bytes, SIGNATURE_2)) return readVersion2(bytes)
  if (startsLike(bytes, SIGNATURE_1)) return readVersion1(bytes)
  return { is: 'found', value: { is: 'none' }, length: 0 }
}

/** Longest header that is read. Addresses need 52 bytes, 216 for unix sockets; the rest are TLVs, which we skip. */
export const PROXY_HEADER_BYTES_MAX = 4_096

function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length)
  return bytes.subarray(0, length).equals(signature.subarray(0, length))
}

/** Section 2.1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`. */
function readVersion1(bytes: Buffer): Found<ProxyHeader> {
  const lineEnd = bytes.subarray(0, LINE_BYTES_MAX).indexOf('\n')
  if (lineEnd === -1) return bytes.length < LINE_BYTES_MAX ? { is: 'more' } : { is: 'wrong' }
  const length = lineEnd + 1
  const line = bytes.toString('latin1', 0, length)
  // "The receiver must ignore anything presented before the CRLF".
  if (/^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/.test(line))
    return { is: 'found', value: { is: 'header', source: null }, length }
  const [, family, from, to, fromPort, toPort] =
    /^PROXY TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line) ?? []
  const isAddress = family === '4' ? isIpv4 : isIpv6
  if (from === undefined || to === undefined || !isAddress(from) || !isAddress(to)) return { is: 'wrong' }
  if (!isPort(fromPort) || !isPort(toPort)) return { is: 'wrong' }
  return header({ address: normalize(from), port: Number(fromPort) }, length)
}

/** Section 2.2: signature, version and command, family and transport, length, addresses, TLVs. */
function readVersion2(bytes: Buffer): Found<ProxyHeader> {
  if (bytes.length < FIXED_BYTES) return { is: 'more' }
  const [command, family, transport] = [bytes[12], bytes[13]! >> 4, bytes[13]! & 0x0f]
  const length = FIXED_BYTES + bytes.readUInt16BE(14)
  if (length > PROXY_HEADER_BYTES_MAX || (command !== LOCAL && command !== PROXY)) return { is: 'wrong' }
  if (bytes.length < length) return { is: 'more' }
  if (command === LOCAL || family === UNSPEC) return header(null, length)
  if (transport !== STREAM) return { is: 'wrong' }
  const addresses = bytes.subarray(FIXED_BYTES, length)
  if (family === UNIX && addresses.length >= 216) return header(null, length)
  if (family === INET && addresses.length >= 12)
    return header({ address: textOf(addresses.subarray(0, 4)), port: addresses.readUInt16BE(8) }, length)
  if (family === INET6 && addresses.length >= 36)
    return header({ address: textOf(addresses.subarray(0, 16)), port: addresses.readUInt16BE(32) }, length)
  return { is: 'wrong' }
}

function header(source: Source | null, length: number): Found<ProxyHeader> {
  return { is: 'found', value: { is: 'header', source }, length }
}

const isIpv4 = (text: string) => ipaddr.IPv4.isValidFourPartDecimal(text)
const isIpv6 = (text: string) => ipaddr.IPv6.isValid(text)
const isPort = (text: string | undefined) => text !== undefined && Number(text) <= 65_535
const textOf = (bytes: Buffer) => normalize(ipaddr.fromByteArray([...bytes]).toString())

/** An IPv4 address that came as IPv6 is the same client. */
function normalize(address: string): string {
  return ipaddr.process(address).toString()
}

const SIGNATURE_1 = Buffer.from('PROXY ')
const SIGNATURE_2 = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
/** With its CRLF; section 2.1. */
const LINE_BYTES_MAX = 107
const FIXED_BYTES = 16
const LOCAL = 0x20
const PROXY = 0x21
const [UNSPEC, INET, INET6, UNIX] = [0, 1, 2, 3]
const STREAM = 1

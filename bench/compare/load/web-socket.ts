import { randomBytes } from 'node:crypto'

/** The request that opens a WebSocket for MQTT (RFC 6455, 4.1). */
export function upgradeRequest(port: number): Buffer {
  return Buffer.from(
    [
      'GET /mqtt HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: mqtt',
      '\r\n',
    ].join('\r\n'),
  )
}

/**
 * The header of a whole binary frame of a client. Its mask is zero, which leaves the bytes behind it as they are: what
 * masks cost is the client's business (RFC 6455, 5.3 wants it random; a server unmasks all the same).
 */
export function frameHeader(length: number): Buffer {
  const mask = [0, 0, 0, 0]
  if (length < 126) return Buffer.of(0x82, 0x80 | length, ...mask)
  return Buffer.of(0x82, 0x80 | 126, length >> 8, length & 0xff, ...mask)
}

/** Takes the upgrade's answer and the frames' headers off; what remains are the bytes of MQTT. */
export function createFrameReader(events: {
  onOpen: () => void
  onBytes: (bytes: Buffer) => void
}): (chunk: Buffer) => void {
  let isOpen = false
  let rest = Buffer.alloc(0)

  return (chunk) => {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    if (!isOpen) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!rest.toString('latin1', 0, end).startsWith('HTTP/1.1 101'))
        throw new Error(`no WebSocket: ${rest.toString('latin1', 0, 40)}`)
      isOpen = true
      rest = rest.subarray(end + 4)
      events.onOpen()
    }
    while (rest.length >= 2) {
      const short = (rest[1] as number) & 0x7f
      const start = short === 126 ? 4 : short === 127 ? 10 : 2
      if (rest.length < start) return
      const length =
        short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short
      if (rest.length < start + length) return
      const opcode = (rest[0] as number) & 0x0f
      if (opcode <= 2) events.onBytes(rest.subarray(start, start + length))
      rest = rest.subarray(start + length)
    }
  }
}

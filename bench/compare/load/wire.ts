import { writeSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createFrameReader, frameHeader, upgradeRequest } from './web-socket.js'

export type Transport = 'tcp' | 'tls' | 'ws' | 'wss'

/** A connection that costs the generator as little as Node allows. */
export interface Wire {
  /** Bytes as they have to be sent over this transport; what was at index 0 of `bytes` is at `offset` of them. */
  wrap(bytes: Buffer): { bytes: Buffer; offset: number }
  /** Sends wrapped bytes; they may be overwritten when the call has returned. */
  send(wrapped: Buffer): void
  /** Ends it without a word, so that no port stays occupied for a minute. */
  reset(): void
}

export function openWire(options: {
  transport: Transport
  port: number
  onOpen: () => void
  /** The bytes are overwritten when the call has returned. */
  onBytes: (bytes: Buffer) => void
  onClose: () => void
}): Wire {
  const { transport, port, onOpen, onBytes, onClose } = options
  const isWebSocket = transport === 'ws' || transport === 'wss'
  const isTls = transport === 'tls' || transport === 'wss'
  const read = isWebSocket ? createFrameReader({ onOpen, onBytes }) : onBytes
  const begin = isWebSocket ? () => send(upgradeRequest(port)) : onOpen
  const socket: Socket = isTls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connectTcp({
        port,
        host: '127.0.0.1',
        noDelay: true,
        // One buffer for all: each chunk is read where it lies, before the next one comes.
        onread: { buffer: shared, callback: (length, buffer) => (read(sliceOf(buffer, length)), true) },
      })
  let descriptor = -1
  if (isTls) socket.on('data', read)
  socket.once(isTls ? 'secureConnect' : 'connect', () => {
    if (isTls) socket.setNoDelay(true)
    else descriptor = descriptorOf(socket)
    begin()
  })
  socket.on('error', () => {}) // refused and reset end in 'close' too
  socket.once('close', () => {
    descriptor = -1
    onClose()
  })

  function send(bytes: Buffer): void {
    if (descriptor < 0 || socket.writableLength > 0) return void socket.write(Buffer.from(bytes))
    let written = 0
    try {
      // A tenth of what a stream's write costs; it is most of the generator's work.
      written = writeSync(descriptor, bytes)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EAGAIN') return // 'close' follows
    }
    if (written < bytes.length) socket.write(Buffer.from(bytes.subarray(written)))
  }

  return {
    wrap(bytes) {
      if (!isWebSocket) return { bytes, offset: 0 }
      const header = frameHeader(bytes.length)
      return { bytes: Buffer.concat([header, bytes]), offset: header.length }
    },
    send,
    reset: () => void (isTls ? socket.destroy() : socket.resetAndDestroy()),
  }
}

const shared = Buffer.alloc(65_536)

function sliceOf(buffer: Uint8Array, length: number): Buffer {
  return Buffer.from(buffer.buffer, buffer.byteOffset, length)
}

/** Of Node's own handle; -1 where it has none, and then the stream is used. */
function descriptorOf(socket: Socket): number {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
  return (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1
}

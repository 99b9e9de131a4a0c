import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import createWebSocketStream from 'websocket-stream/stream.js'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import type { Upgrade } from './door/door.js'
import type { Gate } from './gate/gate.js'

/** Older SDKs connect to /ws, newer ones to /mqtt. */
const PATHS = new Set(['/mqtt', '/ws'])
/** `mqtt` is the name of the specification; the others are what clients offer beside it or instead. */
const SUB_PROTOCOLS = ['mqtt', 'mqttv5', 'mqttv3.1']

export interface WebSocketRules {
  /** Largest frame and message, in bytes. */
  frameBytesMax: number
  /** Largest CONNECT, in bytes: what a connection may send before it has passed. */
  connectBytesMax: number
  /** Origins of pages that may connect besides those of this very server. */
  origins: string[]
  /** Null: no room, or nobody knows whose it is. */
  admit: (request: IncomingMessage) => Upgrade | null
  onConnection: (wire: Duplex, request: IncomingMessage, upgrade: Upgrade) => Gate
}

/** Answers WebSocket upgrades on an HTTP server and hands each connection over as a byte stream. */
export function acceptWebSockets(server: Server, rules: WebSocketRules): void {
  const sockets = new WebSocketServer({
    noServer: true,
    // One packet may span frames and one frame may hold several; a frame larger than any packet is abuse.
    maxPayload: rules.frameBytesMax,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: CHUNKS_MAX,
    // Compression would cost every connection its window and open us to bombs.
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => SUB_PROTOCOLS.find((name) => offered.has(name)) ?? false,
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (!PATHS.has(pathOf(request))) return refuse(socket, 404, 'Not Found')
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    // [MQTT-6.0.0-3]
    if (!offered.some((name) => SUB_PROTOCOLS.includes(name))) return refuse(socket, 400, 'Bad Request')
    if (!isOriginAllowed(request, rules.origins)) return refuse(socket, 403, 'Forbidden')
    const upgrade = rules.admit(request)
    if (!upgrade) return refuse(socket, 503, 'Service Unavailable')
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const gate = rules.onConnection(toWire(webSocket), request, upgrade)
      limitBeforeConnect(request.socket, head.length, gate, rules.connectBytesMax)
    })
  })
}

/** Only browsers are bound to say where a page comes from; some clients name the address they connect to. */
function isOriginAllowed({ headers }: IncomingMessage, origins: string[]): boolean {
  const { origin, host } = headers
  if (origin === undefined || origins.includes(origin)) return true
  try {
    const { protocol, host: originHost } = new URL(origin)
    return originHost !== '' && originHost === new URL(`${protocol}//${host}`).host
  } catch {
    return false
  }
}

/**
 * Frames that are not whole wait in ws, where the gate does not see them. A client that has sent more than its
 * CONNECT may have, and whose CONNECT has not passed by the end of this turn, is no client.
 */
function limitBeforeConnect(socket: Duplex, headBytes: number, gate: Gate, connectBytesMax: number): void {
  let bytes = headBytes
  const count = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > FRAMING_FACTOR * connectBytesMax) setImmediate(decide)
  }
  const decide = () => {
    socket.off('data', count)
    if (!gate.connect) socket.destroy()
  }
  gate.once('close', () => socket.off('data', count))
  socket.on('data', count)
  count(Buffer.alloc(0))
}

/**
 * websocket-stream with what it lacks: pausing stops the socket, destroying ends it for sure, and a text
 * frame ends the connection, [MQTT-6.0.0-1].
 */
function toWire(webSocket: WebSocket): Duplex {
  const wire = createWebSocketStream(webSocket)
  const { onmessage } = webSocket
  // oxlint-disable-next-line prefer-add-event-listener -- so does this; 'close' follows, and what came before is kept
  webSocket.onerror = () => {}
  // oxlint-disable-next-line prefer-add-event-listener -- it takes the place of websocket-stream's own
  webSocket.onmessage = (event) => {
    if (typeof event.data === 'string') webSocket.close(UNSUPPORTED_DATA, 'MQTT comes in binary frames')
    else onmessage?.call(webSocket, event)
  }
  const { pause, resume, destroy } = wire
  wire.pause = () => {
    webSocket.pause()
    return pause.call(wire)
  }
  wire.resume = () => {
    webSocket.resume()
    return resume.call(wire)
  }
  wire.destroy = (error) => {
    webSocket.close()
    setTimeout(() => webSocket.terminate(), CLOSE_LIMIT_MS).unref()
    // A client that sent its SOS and closed: what we have not read yet is still to be read.
    if (!error && bufferedBytes(wire) > 0) return wire.once('end', () => destroy.call(wire))
    return destroy.call(wire, error)
  }
  return wire
}

// websocket-stream is built on readable-stream 2, which tells this only here.
function bufferedBytes(wire: Duplex): number {
  // oxlint-disable-next-line no-underscore-dangle -- there is no public name for it
  return (wire as unknown as { _readableState: { length: number } })._readableState.length
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] as string
}

function refuse(socket: Duplex, status: number, text: string): void {
  // The HTTP server has let go of the socket, so its time limits no longer end it.
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** A peer that does not answer a close frame within a second is gone. */
const CLOSE_LIMIT_MS = 1_000
/** A CONNECT may come in small frames, each with 6 to 14 bytes of its own. */
const FRAMING_FACTOR = 2
/** Of one message, and pieces of one frame: a whole SOS byte by byte. Each costs some 150 bytes of memory. */
const FRAGMENTS_MAX = 256
const CHUNKS_MAX = 4_096
/** RFC 6455, section 7.4.1. */
const UNSUPPORTED_DATA = 1003

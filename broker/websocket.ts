import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import createWebSocketStream from 'websocket-stream/stream.js'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'

/** Older SDKs connect to /ws, newer ones to /mqtt. */
const PATHS = new Set(['/mqtt', '/ws'])
/** `mqtt` is the name of the specification; the others are what clients offer beside it or instead. */
const SUB_PROTOCOLS = ['mqtt', 'mqttv5', 'mqttv3.1']

/**
 * Answers WebSocket upgrades on an HTTP server and hands each connection over as a byte stream.
 * Frames are at most `frameBytesMax` bytes.
 */
export function acceptWebSockets(
  server: Server,
  options: { frameBytesMax: number; onConnection: (wire: Duplex, request: IncomingMessage) => void },
): void {
  const sockets = new WebSocketServer({
    noServer: true,
    // One packet may span frames and one frame may hold several; a frame larger than any packet is abuse.
    maxPayload: options.frameBytesMax,
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
    sockets.handleUpgrade(request, socket, head, (webSocket) =>
      options.onConnection(toWire(webSocket), request),
    )
  })
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
/** RFC 6455, section 7.4.1. */
const UNSUPPORTED_DATA = 1003

import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { Test } from 'tap'
import { createWebSocketStream, WebSocket } from 'ws'
import type { Broker } from './broker.js'

export const TRANSPORTS = ['tcp', 'tls', 'ws', 'wss'] as const
export type Transport = (typeof TRANSPORTS)[number]

/** A connection to a broker over any transport, before its CONNECT. */
export interface Wire {
  /** MQTT bytes in both directions. */
  stream: Duplex
  /** The TCP or TLS socket below. */
  socket: Socket
  /** Writes everything at once: one write of the socket; over WebSocket each part is a frame of its own. */
  sendTogether(parts: Buffer[]): void
  /** The same, and in the same write the end of this side: FIN, or over WebSocket a close frame. */
  sendAndClose(parts: Buffer[]): void
}

/** Opens a wire. With `allowHalfOpen` the client may send FIN and read on. */
export async function openWire(
  t: Test,
  broker: Broker,
  transport: Transport,
  { allowHalfOpen = false } = {},
): Promise<Wire> {
  const { ports } = broker
  const port = { tcp: ports.mqtt, tls: ports.mqtts, ws: ports.http, wss: ports.https }[transport]
  const isTls = transport === 'tls' || transport === 'wss'
  const options = { port, host: '127.0.0.1', allowHalfOpen }
  const socket = isTls
    ? connectTls(Object.assign(options, { ca: readFileSync(broker.caFile) }))
    : connectTcp(options)
  t.teardown(() => socket.destroy())
  await opened(socket, isTls ? 'secureConnect' : 'connect')
  socket.on('error', () => {}) // a reset is a way to close
  socket.setNoDelay(true)
  if (transport === 'tcp' || transport === 'tls') {
    return {
      stream: socket,
      socket,
      sendTogether: (parts) => socket.write(Buffer.concat(parts)),
      sendAndClose: (parts) => socket.end(Buffer.concat(parts)),
    }
  }
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt', { createConnection: () => socket })
  await opened(webSocket, 'open')
  const stream = createWebSocketStream(webSocket)
  stream.on('error', () => {})
  const send = (parts: Buffer[], closes: boolean) => {
    socket.cork()
    for (const part of parts) webSocket.send(part)
    if (closes) webSocket.close()
    socket.uncork()
  }
  return {
    stream,
    socket,
    sendTogether: (parts) => send(parts, false),
    sendAndClose: (parts) => send(parts, true),
  }
}

interface Opening {
  once(event: string, listener: (error?: Error) => void): unknown
}

function opened(opening: Opening, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    opening.once(event, () => resolve())
    opening.once('error', (error) => reject(error))
  })
}

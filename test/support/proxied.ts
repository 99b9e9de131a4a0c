import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Test } from 'tap'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** A PROXY protocol 2 header by hand: version and command, family and transport, addresses and TLVs. */
export function proxyHeader2(command: number, family: number, body: Buffer | string): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body.replaceAll(' ', ''), 'hex') : body
  const length = Buffer.from([bytes.length >> 8, bytes.length & 0xff])
  return Buffer.concat([SIGNATURE, Buffer.from([command, family]), length, bytes])
}

/** Version 1 for an IPv4 client. */
export function proxyHeader1(address: string, port = 4711): Buffer {
  return Buffer.from(`PROXY TCP4 ${address} 198.51.100.1 ${port} 1883\r\n`)
}

/** A TCP connection from this loopback address; all of 127.0.0.0/8 is ours. It may be refused already. */
export async function dial(t: Test, port: number, from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {}) // a reset is a way to close
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  return socket
}

/** Everything that came until the connection was closed. */
export async function untilClosed(socket: Socket): Promise<string> {
  let received = ''
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return received
}

import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import mqttPacket from 'mqtt-packet'
import type { Packet } from 'mqtt-packet'
import type { Test } from 'tap'

type ProtocolVersion = 3 | 4 | 5

/**
 * Bytes out, packets in, over any byte stream. Packets are written and read by mqtt-packet, which is not
 * ours, or sent as the bytes the test gives.
 */
export interface RawClient {
  socket: Duplex
  send(...bytes: (Buffer | string)[]): void
  sendPacket(packet: Packet): void
  /** The next packet. Rejects when the connection ends first. */
  next(): Promise<Packet>
  /** The next packet of this kind; others before it are passed over. */
  nextOf<Cmd extends Packet['cmd']>(cmd: Cmd): Promise<Extract<Packet, { cmd: Cmd }>>
  /** The same, and the others stay where they are; the one with this identifier if one is given. */
  take<Cmd extends Packet['cmd']>(cmd: Cmd, messageId?: number): Promise<Extract<Packet, { cmd: Cmd }>>
  /** Every packet that came until the connection ended. */
  untilClosed(): Promise<Packet[]>
  /** All bytes received so far. */
  received(): Buffer
}

export function createRawClient(t: Test, socket: Duplex, protocolVersion: ProtocolVersion): RawClient {
  const parser = mqttPacket.parser({ protocolVersion })
  const packets: Packet[] = []
  const chunks: Buffer[] = []
  let wake: () => void = () => {}
  let isClosed = false
  parser.on('packet', (packet: Packet) => {
    packets.push(packet)
    wake()
  })
  parser.on('error', (error: Error) => {
    // MQTT 5 lists 0x88 for CONNACK only; the broker also ends connections with it, see docs/operations.md.
    const chunk = chunks.at(-1) ?? Buffer.alloc(0)
    const reasonCode = chunk[chunk.lastIndexOf(0xe0) + 2]
    if (error.message === 'Invalid disconnect reason code' && reasonCode === 0x88) {
      packets.push({ cmd: 'disconnect', reasonCode })
      return wake()
    }
    t.fail(`the broker sent a packet that mqtt-packet cannot read: ${error.message}`)
  })
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    parser.parse(chunk)
  })
  socket.on('error', () => {}) // a reset is a way to close
  socket.on('close', () => {
    isClosed = true
    wake()
  })
  socket.on('end', () => socket.end())
  t.teardown(() => socket.destroy())
  const something = () => new Promise<void>((resolve) => (wake = resolve))

  async function next(): Promise<Packet> {
    for (;;) {
      const packet = packets.shift()
      if (packet) return packet
      if (isClosed) throw new Error('the connection was closed')
      await something()
    }
  }

  return {
    socket,
    send: (...bytes) => {
      for (const part of bytes)
        socket.write(typeof part === 'string' ? Buffer.from(part.replaceAll(' ', ''), 'hex') : part)
    },
    sendPacket: (packet) => socket.write(mqttPacket.generate(packet, { protocolVersion })),
    next,
    async nextOf(cmd) {
      for (;;) {
        const packet = await next()
        if (packet.cmd === cmd) return packet as Extract<Packet, { cmd: typeof cmd }>
      }
    },
    async take<Cmd extends Packet['cmd']>(cmd: Cmd, messageId?: number) {
      for (;;) {
        const at = packets.findIndex(
          (packet) => packet.cmd === cmd && (messageId === undefined || packet.messageId === messageId),
        )
        if (at >= 0) return packets.splice(at, 1)[0] as Extract<Packet, { cmd: Cmd }>
        if (isClosed) throw new Error('the connection was closed')
        await something()
      }
    },
    async untilClosed() {
      // oxlint-disable-next-line no-unmodified-loop-condition -- the close listener ends it
      while (!isClosed) await something()
      return packets.splice(0)
    },
    received: () => Buffer.concat(chunks),
  }
}

/** A raw client over TCP. */
export async function connectRaw(
  t: Test,
  port: number,
  protocolVersion: ProtocolVersion = 4,
): Promise<RawClient> {
  const socket: Socket = connectTcp({ port, host: '127.0.0.1' })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return createRawClient(t, socket, protocolVersion)
}

/** A raw client that has sent CONNECT with these credentials and read a CONNACK with success. */
export async function logIn(
  t: Test,
  port: number,
  { username, password }: { username: string; password: string },
  options: {
    protocolVersion?: ProtocolVersion
    clientId?: string
    keepalive?: number
    properties?: object
  } = {},
): Promise<RawClient> {
  const { protocolVersion = 4, clientId = 'raw', keepalive = 30, properties } = options
  const client = await connectRaw(t, port, protocolVersion)
  client.sendPacket({
    cmd: 'connect',
    protocolId: protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion,
    clean: true,
    clientId,
    keepalive,
    username,
    password: Buffer.from(password),
    ...(properties ? { properties } : {}),
  })
  const connack = await client.nextOf('connack')
  const code = protocolVersion === 5 ? connack.reasonCode : connack.returnCode
  if (code !== 0) throw new Error(`CONNACK ${code}`)
  return client
}

import type { IConnackPacket, IConnectPacket, IDisconnectPacket, IPublishPacket, Packet } from 'mqtt-packet'
import type { Test } from 'tap'
import { createUser } from '../../auth/identity.js'
import type { User } from '../../store/user.js'
import type { Credentials } from './broker.js'
import { connectRaw, logIn } from './raw-client.js'
import type { RawClient } from './raw-client.js'

export type Version = 3 | 4 | 5

/** An event as it came: the topic, what stands in it, and the packet that brought it. */
export interface Received {
  topic: string
  event: Record<string, unknown>
  packet: IPublishPacket
}

/** A signed user's client that keeps answers and events apart, and acknowledges every event it takes. */
export interface Phone {
  raw: RawClient
  user: User
  /** Topic `sos/events/<user id>`. */
  uuidTopic: string
  /** Topic `sos/events/<external id>`, encoded as the Dart client does. */
  externalTopic: string
  /** Resolves with the code that SUBACK gives each filter. */
  subscribe(...topicFilters: string[]): Promise<number[]>
  unsubscribe(...topicFilters: string[]): Promise<void>
  /** Resolves with the reason code of the PUBACK; 0 in 3.1.1, which has none. */
  publish(topicName: string, payload: string | Buffer | object): Promise<number>
  /** The next event. Rejects when the connection ends first. */
  nextEvent(): Promise<Received>
  /** Resolves when the broker has ended the connection: the DISCONNECT that said so, if one did. */
  closed(): Promise<IDisconnectPacket | undefined>
}

export async function connectPhone(
  t: Test,
  port: number,
  credentials: Credentials,
  options: { version?: Version; clientId?: string; keepalive?: number; properties?: object } = {},
): Promise<Phone> {
  const { version = 5, ...rest } = options
  return createPhone(await logIn(t, port, credentials, { protocolVersion: version, ...rest }), credentials)
}

/** Takes over a client that is logged in. */
export function createPhone(
  raw: RawClient,
  credentials: Pick<Credentials, 'appId' | 'externalUserId'>,
): Phone {
  const user = createUser(credentials)
  const answers = new Map<string, (packet: Packet) => void>()
  const failures = new Set<(error: Error) => void>()
  const events: Received[] = []
  let wakeReader: () => void = () => {}
  let disconnect: IDisconnectPacket | undefined
  let isClosed = false
  let nextId = 1

  const ended = (async () => {
    try {
      for (;;) take(await raw.next())
    } catch {
      isClosed = true
      for (const fail of failures) fail(new Error(`the broker ended the connection ${reasonOf(disconnect)}`))
      wakeReader()
    }
  })()

  function take(packet: Packet): void {
    if (packet.cmd === 'publish') {
      if (packet.messageId !== undefined) raw.sendPacket({ cmd: 'puback', messageId: packet.messageId })
      const event = JSON.parse(packet.payload.toString()) as Record<string, unknown>
      events.push({ topic: packet.topic, event, packet })
      wakeReader()
    } else if (packet.cmd === 'disconnect') disconnect = packet
    else answers.get(`${packet.cmd} ${packet.messageId}`)?.(packet)
  }

  function answer<Cmd extends Packet['cmd']>(cmd: Cmd, messageId: number) {
    return new Promise<Extract<Packet, { cmd: Cmd }>>((resolve, reject) => {
      if (isClosed) reject(new Error('the connection was closed'))
      failures.add(reject)
      answers.set(`${cmd} ${messageId}`, (packet) => {
        failures.delete(reject)
        resolve(packet as Extract<Packet, { cmd: Cmd }>)
      })
    })
  }

  return {
    raw,
    user,
    uuidTopic: `sos/events/${user.userId}`,
    externalTopic: `sos/events/${encodeAsDart(user.externalUserId)}`,
    async subscribe(...topicFilters) {
      const messageId = nextId++
      const suback = answer('suback', messageId)
      const subscriptions = topicFilters.map((topic) => ({ topic, qos: 1 as const }))
      raw.sendPacket({ cmd: 'subscribe', messageId, subscriptions })
      return (await suback).granted as number[]
    },
    async unsubscribe(...topicFilters) {
      const messageId = nextId++
      const unsuback = answer('unsuback', messageId)
      raw.sendPacket({ cmd: 'unsubscribe', messageId, unsubscriptions: topicFilters })
      await unsuback
    },
    async publish(topic, content) {
      const messageId = nextId++
      const puback = answer('puback', messageId)
      const payload =
        typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content)
      raw.sendPacket({ cmd: 'publish', qos: 1, dup: false, retain: false, messageId, topic, payload })
      return (await puback).reasonCode ?? 0
    },
    async nextEvent() {
      for (;;) {
        const received = events.shift()
        if (received) return received
        if (isClosed) throw new Error(`the broker ended the connection ${reasonOf(disconnect)}`)
        await new Promise<void>((resolve) => (wakeReader = resolve))
      }
    },
    async closed() {
      await ended
      return disconnect
    },
  }
}

/** Sends this CONNECT to a broker that is to refuse it; resolves with the CONNACK once the socket is closed. */
export async function refusedConnack(
  t: Test,
  port: number,
  connect: Partial<IConnectPacket> & { protocolVersion: Version },
): Promise<IConnackPacket> {
  const raw = await connectRaw(t, port, connect.protocolVersion)
  raw.sendPacket({
    cmd: 'connect',
    protocolId: connect.protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
    clean: true,
    clientId: 'refused',
    keepalive: 30,
    ...connect,
  })
  const [connack, ...more] = await raw.untilClosed()
  if (connack?.cmd !== 'connack') throw new Error(`no CONNACK but ${connack?.cmd ?? 'nothing'}`)
  if (more.length > 0) throw new Error(`packets behind the refusal: ${more.map(({ cmd }) => cmd).join(' ')}`)
  return connack
}

/** What a CONNACK says: the reason code of 5.0 or the return code of 3.1 and 3.1.1. */
export function codeOf({ reasonCode, returnCode }: IConnackPacket): number | undefined {
  return reasonCode ?? returnCode
}

/**
 * `Uri.encodeComponent` of Dart: A–Z a–z 0–9 - _ . ! ~ * ' ( ) stay, everything else becomes upper-case %XX
 * of its UTF-8 bytes.
 */
export function encodeAsDart(text: string): string {
  const encoded = [...Buffer.from(text)].map((byte) => {
    const char = String.fromCharCode(byte)
    return /[A-Za-z0-9\-_.!~*'()]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return encoded.join('')
}

function reasonOf(disconnect: IDisconnectPacket | undefined): string {
  if (!disconnect) return 'without a word'
  return `with DISCONNECT 0x${disconnect.reasonCode?.toString(16)} ${disconnect.properties?.reasonString ?? ''}`
}

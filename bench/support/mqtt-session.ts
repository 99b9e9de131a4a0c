import { connect } from 'node:net'
import mqttPacket from 'mqtt-packet'
import type { Packet } from 'mqtt-packet'

export interface MqttSession {
  isOpen: boolean
  /** Resolves when the connection has ended, with the reason code that a 5.0 broker gave for it. */
  ended: Promise<number | undefined>
  /** QoS 1. What became of it, as far as this session can know. */
  publish(topic: string, payload: string, isDuplicate: boolean): Promise<Outcome>
  /** Ends the connection without a word. */
  destroy(): void
}

export type Outcome = 'acknowledged' | 'refused' | 'not answered'

export interface MqttSessionOptions {
  port: number
  version: 4 | 5
  username: string
  password: string
  topicFilters: string[]
  /** Called for each event, which is acknowledged. */
  onEvent: (topic: string, payload: Buffer) => void
}

/**
 * Connects, logs in and subscribes, as the SDK does. Packets are written and read by mqtt-packet.
 *
 * @throws when there is nobody to connect to or the login is refused.
 */
export async function openMqttSession(options: MqttSessionOptions): Promise<MqttSession> {
  const { port, version: protocolVersion, username, password, topicFilters } = options
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const parser = mqttPacket.parser({ protocolVersion })
  const unanswered = new Map<number, (outcome: Outcome) => void>()
  const send = (packet: Packet) => void socket.write(mqttPacket.generate(packet, { protocolVersion }))
  let lastPacketId = 0
  let endReason: number | undefined
  let onGranted: (error?: Error) => void = () => {}
  const granted = new Promise<void>((resolve, reject) => {
    onGranted = (error) => (error ? reject(error) : resolve())
  })
  granted.catch(() => {}) // whoever opened the session hears of it below

  function take(packet: Packet): void {
    switch (packet.cmd) {
      case 'connack':
        if ((packet.reasonCode ?? packet.returnCode) !== 0) return void socket.destroy()
        return send({
          cmd: 'subscribe',
          messageId: nextPacketId(),
          subscriptions: topicFilters.map((topic) => ({ topic, qos: 1 as const })),
        })
      case 'suback':
        if (packet.granted.some((code) => code !== 1))
          return onGranted(new Error(`SUBACK ${packet.granted.join(' ')}`))
        return onGranted()
      case 'puback':
        return settle(
          packet.messageId as number,
          (packet.reasonCode ?? 0) < 0x80 ? 'acknowledged' : 'refused',
        )
      case 'publish':
        options.onEvent(packet.topic, packet.payload as Buffer)
        return send({ cmd: 'puback', messageId: packet.messageId as number })
      case 'disconnect':
        endReason = packet.reasonCode
        return
      default:
    }
  }
  function settle(packetId: number, outcome: Outcome): void {
    unanswered.get(packetId)?.(outcome)
    unanswered.delete(packetId)
  }
  function nextPacketId(): number {
    do lastPacketId = (lastPacketId % 65_535) + 1
    while (unanswered.has(lastPacketId))
    return lastPacketId
  }

  const ended = new Promise<number | undefined>((resolve) => {
    socket.on('close', () => {
      session.isOpen = false
      for (const packetId of unanswered.keys()) settle(packetId, 'not answered')
      onGranted(new Error('the connection was closed'))
      resolve(endReason)
    })
  })
  const session: MqttSession = {
    isOpen: true,
    ended,
    publish: (topic, payload, isDuplicate) =>
      new Promise((resolve) => {
        if (!session.isOpen) return resolve('not answered')
        const messageId = nextPacketId()
        unanswered.set(messageId, resolve)
        send({ cmd: 'publish', topic, payload, qos: 1, messageId, retain: false, dup: isDuplicate })
      }),
    destroy: () => void socket.destroy(),
  }
  parser.on('packet', take)
  parser.on('error', ({ message }: Error) => {
    // mqtt-packet does not read 0x88 in a DISCONNECT, which MQTT 5 lists for CONNACK only.
    endReason = message === 'Invalid disconnect reason code' ? SERVER_UNAVAILABLE : UNREADABLE
    socket.destroy()
  })
  socket.on('data', (chunk) => void parser.parse(chunk))
  socket.on('error', () => {}) // a reset is a way to close
  send({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion,
    clean: true,
    clientId: 'crash',
    keepalive: 0,
    username,
    password: Buffer.from(password),
  })
  await granted
  return session
}

/** [MQTT5 3.14.2.1] */
export const SERVER_UNAVAILABLE = 0x88
export const SERVER_SHUTTING_DOWN = 0x8b
/** Of the broker's bytes; no reason code of MQTT. */
const UNREADABLE = -1

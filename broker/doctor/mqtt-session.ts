import type { Duplex } from 'node:stream'
import mqttPacket from 'mqtt-packet'
import type { Packet } from 'mqtt-packet'
import { Fault, inTime } from './finding.js'

export interface Login {
  appId: string
  externalUserId: string
  userId: string
  userHash: string
}

/** A client that speaks MQTT 5 as the SDK does, for as long as one look takes. */
export interface MqttSession {
  /** Resolves when the broker has acknowledged it. */
  publish(topic: string, payload: object): Promise<void>
  /** The next event that fits. */
  event(fits: (event: Record<string, unknown>) => boolean): Promise<void>
  end(): void
}

/** Logs in and subscribes to the user's own events. @throws Fault with the answer that was wrong. */
export async function openSession(stream: Duplex, login: Login, closedHint: string): Promise<MqttSession> {
  const { take, send } = readPackets(stream, closedHint)
  send({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 5,
    clean: true,
    clientId: login.externalUserId,
    keepalive: 30,
    username: `sdk:${login.appId}:${login.externalUserId}`,
    password: Buffer.from(login.userHash),
  })
  const connack = await take('connack', () => true, 'no CONNACK')
  if (connack.reasonCode !== 0) throw new Fault(whyRefused(connack.reasonCode ?? -1, login.appId))
  const topic = `sos/events/${login.userId}`
  send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  const suback = await take('suback', () => true, 'no SUBACK')
  const [granted] = suback.granted as number[]
  if (granted === undefined || granted >= 0x80)
    throw new Fault(`the subscription is refused (${hex(granted)})`)
  return {
    async publish(topicName, payload) {
      send({
        cmd: 'publish',
        topic: topicName,
        payload: JSON.stringify(payload),
        qos: 1,
        messageId: 2,
        retain: false,
        dup: false,
      })
      const { reasonCode = 0 } = await take('puback', () => true, 'the SOS gets no PUBACK')
      if (reasonCode >= 0x80) throw new Fault(`the SOS is refused (${hex(reasonCode)})`)
    },
    async event(fits) {
      const read = (packet: Packet) =>
        packet.cmd === 'publish' && fits(JSON.parse(packet.payload.toString()) as Record<string, unknown>)
      await take('publish', read, 'the SOS is acknowledged, but its event does not come')
    },
    end() {
      send({ cmd: 'disconnect', reasonCode: 0 })
      stream.end()
    },
  }
}

function readPackets(stream: Duplex, closedHint: string) {
  const parser = mqttPacket.parser({ protocolVersion: 5 })
  const packets: Packet[] = []
  let ended: string | null = null
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const go of waiting) go()
    waiting.clear()
  }
  const end = (why: string) => {
    ended ??= why
    wake()
  }
  parser.on('packet', (packet: Packet) => {
    // [MQTT-4.3.2-5]
    if (packet.cmd === 'publish' && packet.messageId !== undefined)
      send({ cmd: 'puback', messageId: packet.messageId })
    packets.push(packet)
    if (packet.cmd === 'disconnect') end(`the broker ended the connection (${hex(packet.reasonCode)})`)
    wake()
  })
  parser.on('error', () => end('what answers there does not speak MQTT'))
  stream.on('data', (chunk: Buffer) => parser.parse(chunk))
  stream.on('error', () => end('the connection broke'))
  stream.on('close', () => end(`the connection is closed without an answer${closedHint}`))

  function send(packet: Packet): void {
    stream.write(mqttPacket.generate(packet, { protocolVersion: 5 }))
  }
  async function next<Cmd extends Packet['cmd']>(cmd: Cmd, fits: (packet: Packet) => boolean) {
    for (;;) {
      const at = packets.findIndex((packet) => packet.cmd === cmd && fits(packet))
      if (at >= 0) return packets.splice(at, 1)[0] as Extract<Packet, { cmd: Cmd }>
      if (ended !== null) throw new Fault(ended)
      await new Promise<void>((resolve) => waiting.add(resolve))
    }
  }
  return {
    send,
    take: <Cmd extends Packet['cmd']>(cmd: Cmd, fits: (packet: Packet) => boolean, says: string) =>
      inTime(next(cmd, fits), says),
  }
}

function whyRefused(code: number, appId: string): string {
  switch (code) {
    case 0x87:
      return `the login is refused: the broker holds no app ${appId} with this secret; is APPS_FILE here the file that it reads, and the app enabled?`
    case 0x88:
    case 0x89:
    case 0x8b:
      return `the broker is stopping or busy (${hex(code)})`
    case 0x9f:
      return 'too many failed logins from this address: wait a minute'
    default:
      return `the login is refused (${hex(code)})`
  }
}

function hex(code: number | undefined): string {
  return `0x${(code ?? 0).toString(16)}`
}

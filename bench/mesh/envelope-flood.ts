// A program of its own, so that it can have a core of its own: gateways that publish encrypted positions at a steady rate,
// and phones beside them. Reads an Order from its standard input, writes what was acknowledged each second as lines of
// JSON, and goes on until its standard input ends.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import mqttPacket from 'mqtt-packet'
import { positionOf, published } from '../../test/support/mesh-gateway.js'
import { DEFAULT_KEY } from '../../test/support/mesh-packets.js'

export interface Order {
  port: number
  gateways: Login[]
  phones: Login[]
  /** Of all gateways together, and of all phones together. */
  envelopesPerSecond: number
  telemetryPerSecond: number
  /** Node numbers that the envelopes are of, in turn. */
  firstNode: number
  nodes: number
}
interface Login {
  username: string
  password: string
}

const counts = { envelopes: 0, telemetry: 0, sent: 0, ended: 0 }
const lines = createInterface({ input: process.stdin })
lines.once('line', (line) => run(JSON.parse(line) as Order))
lines.once('close', () => process.exit(0))

function run(order: Order): void {
  const { port, gateways, phones, envelopesPerSecond, telemetryPerSecond, firstNode, nodes } = order
  const ofMesh = gateways.map((login) => open(port, login, 'envelopes'))
  const ofPhones = phones.map((login) => open(port, login, 'telemetry'))
  let envelopes = 0
  const sendEnvelope = () => {
    const i = envelopes++
    const packet = positionOf(firstNode + (i % nodes), Date.now(), 41 + (i % 1e6) / 1e6)
    const gateway = `!a${(i % ofMesh.length).toString(16).padStart(7, '0')}`
    const [topic, payload] = published({ ...packet, encryptFor: { key: DEFAULT_KEY, hash: 8 } }, { gateway })
    counts.sent++
    send(ofMesh[i % ofMesh.length] as Socket, topic, payload, i)
  }
  let telemetry = 0
  const sendTelemetry = () => {
    const i = telemetry++
    const fields = {
      timestamp: new Date().toISOString(),
      latitude: 41.4 + (i % 1e5) / 1e5,
      longitude: 2.2,
      altitude: 9,
    }
    send(ofPhones[i % ofPhones.length] as Socket, 'tel/data', JSON.stringify(fields), i)
  }
  steadily(envelopesPerSecond, sendEnvelope)
  steadily(telemetryPerSecond, sendTelemetry)
  setInterval(() => process.stdout.write(`${JSON.stringify(counts)}\n`), 1_000).unref()
}

/** What a late timer missed is sent with the next: the rate holds on average. */
function steadily(perSecond: number, act: () => void): void {
  const began = performance.now() + 1_000 // logins first
  let done = 0
  setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1_000) * perSecond)
    for (; done < due; done++) act()
  }, 5)
}

function open(port: number, { username, password }: Login, counted: 'envelopes' | 'telemetry'): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const login = { username, password: Buffer.from(password), clientId: '', clean: true, keepalive: 0 }
  socket.write(mqttPacket.generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, ...login }))
  let isUp = false
  socket.on('data', (bytes: Buffer) => {
    // CONNACK and PUBACK have four bytes each.
    counts[counted] += Math.floor(bytes.length / 4) - (isUp ? 0 : 1)
    isUp = true
  })
  socket.on('error', () => {})
  socket.on('close', () => counts.ended++)
  return socket
}

function send(socket: Socket, topic: string, payload: Buffer | string, i: number): void {
  const packet = { cmd: 'publish', topic, payload, qos: 1, messageId: (i % 65_535) + 1 } as const
  socket.write(mqttPacket.generate({ ...packet, retain: false, dup: false }))
}

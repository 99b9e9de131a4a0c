// A program of its own, so that it can have a core of its own: clients that write telemetry as fast as their sockets
// take it. Reads {port, clients: [{username, password}]} from its standard input, writes how many PUBACKs came each
// second as lines of JSON, and goes on until its standard input ends.
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import mqttPacket from 'mqtt-packet'

interface Order {
  port: number
  clients: { username: string; password: string }[]
}

let acknowledged = 0
let ended = 0
const lines = createInterface({ input: process.stdin })
lines.once('line', (line) => {
  const { port, clients } = JSON.parse(line) as Order
  for (const client of clients) flood(port, client)
  setInterval(() => process.stdout.write(`${JSON.stringify({ acknowledged, ended })}\n`), 1_000).unref()
})
lines.once('close', () => process.exit(0))

function flood(port: number, { username, password }: Order['clients'][number]): void {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.write(
    mqttPacket.generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: 'flood',
      keepalive: 0,
      username,
      password: Buffer.from(password),
    }),
  )
  const packets = Buffer.concat(Array.from({ length: PACKETS }, (_, i) => telemetryPacket(i + 1)))
  let isUp = false
  const write = () => {
    for (let n = 0; n < WRITES_AT_ONCE; n++) if (!socket.write(packets)) return // 'drain' follows
    setImmediate(write)
  }
  socket.on('data', (bytes: Buffer) => {
    // CONNACK and PUBACK have four bytes each.
    acknowledged += Math.floor(bytes.length / 4) - (isUp ? 0 : 1)
    if (isUp) return
    isUp = true
    write()
  })
  socket.on('drain', write)
  socket.on('error', () => {})
  socket.on('close', () => ended++)
}

function telemetryPacket(messageId: number): Buffer {
  const payload = JSON.stringify({
    timestamp: new Date().toISOString(),
    latitude: 41.4 + messageId / 1e5,
    longitude: 2.2,
    altitude: 12.5,
    deviceBattery: 80,
  })
  return mqttPacket.generate({
    cmd: 'publish',
    topic: 'tel/data',
    payload,
    qos: 1,
    messageId,
    retain: false,
    dup: false,
  })
}

/** Written at once; ids may repeat before their PUBACK, which a broker without a memory for them does not mind. */
const PACKETS = 50
const WRITES_AT_ONCE = 4

import type { Socket } from 'node:net'
import mqttPacket from 'mqtt-packet'
import type { Attack } from './attack.js'
import { open } from './target.js'
import type { Target } from './target.js'

const SECONDS = 5
const SOS_COUNT = 50
const SOS_LIMIT_MS = 250
const MEMORY_LIMIT_MB = 100

/**
 * Users whose signature is right write as fast as their sockets take it; beside them somebody else sends an SOS ten
 * times a second. What counts is how long that SOS waits.
 */
const flood = (options: {
  name: string
  users: number
  sessionsEach: number
  version: 4 | 5
  packet: (n: number) => Buffer
}): Attack => ({
  name: `${options.name}, ${options.users * options.sessionsEach} sessions of ${options.users === 1 ? '1 user' : `${options.users} users`}`,
  async run(target) {
    const caller = await login(target, 'caller', 4)
    await sosUntilPuback(caller, 0) // what the first one loads and compiles is no part of the attack
    const before = target.residentBytes()
    let highest = before
    const reader = setInterval(() => (highest = Math.max(highest, target.residentBytes())), 100)
    const sockets: Socket[] = []
    for (let user = 0; user < options.users; user++)
      for (let n = 0; n < options.sessionsEach; n++)
        sockets.push(await login(target, `flooder-${user}`, options.version))
    const bytes = Buffer.concat(Array.from({ length: 200 }, (_, n) => options.packet(n + 1)))
    const keepWriting = (socket: Socket): void => {
      while (!socket.destroyed && socket.write(bytes));
    }
    for (const socket of sockets) {
      socket.on('drain', () => keepWriting(socket))
      socket.resume()
      keepWriting(socket)
    }
    const waits: number[] = []
    for (let n = 1; n <= SOS_COUNT; n++) {
      waits.push(await sosUntilPuback(caller, n))
      await new Promise((resolve) => setTimeout(resolve, (SECONDS * 1_000) / SOS_COUNT))
    }
    clearInterval(reader)
    for (const socket of [caller, ...sockets]) socket.destroy()
    return [
      {
        measured: `slowest of ${SOS_COUNT} SOS of somebody else to PUBACK`,
        value: Math.max(...waits),
        limit: SOS_LIMIT_MS,
        unit: 'ms',
      },
      {
        measured: 'resident memory grows by',
        value: (highest - before) / 2 ** 20,
        limit: MEMORY_LIMIT_MB,
        unit: 'MB',
      },
    ]
  },
})

const publish = (topic: string, payload: object, messageId: number): Buffer =>
  mqttPacket.generate({
    cmd: 'publish',
    topic,
    payload: JSON.stringify(payload),
    qos: 1,
    messageId,
    retain: false,
    dup: false,
  })

const sos = (n: number) => ({ timestamp: new Date(1_780_000_000_000 + n).toISOString(), latitude: 41.4 })

export const floodsOfSignedUsers: Attack[] = [
  flood({
    name: 'SOS without pause',
    users: 1,
    sessionsEach: 4,
    version: 4,
    packet: (n) => publish('sos/alerts', sos(n), n),
  }),
  flood({
    name: 'SOS without pause',
    users: 50,
    sessionsEach: 4,
    version: 4,
    packet: (n) => publish('sos/alerts', sos(n), n),
  }),
  flood({
    name: 'PINGREQ without pause',
    users: 50,
    sessionsEach: 4,
    version: 4,
    packet: () => mqttPacket.generate({ cmd: 'pingreq' }),
  }),
  flood({
    name: 'SUBSCRIBE without pause',
    users: 50,
    sessionsEach: 4,
    version: 4,
    packet: (n) =>
      mqttPacket.generate({
        cmd: 'subscribe',
        messageId: n,
        subscriptions: [{ topic: 'sos/events/somebody', qos: 1 }],
      }),
  }),
  flood({
    name: 'publications to foreign topics without pause, 5.0',
    users: 50,
    sessionsEach: 4,
    version: 5,
    packet: (n) =>
      mqttPacket.generate(
        { cmd: 'publish', topic: 'a/b', payload: 'x', qos: 1, messageId: n, retain: false, dup: false },
        { protocolVersion: 5 },
      ),
  }),
]

async function login(target: Target, externalUserId: string, version: 4 | 5): Promise<Socket> {
  const socket = await open(target.ports.mqtt)
  const answer = new Promise((resolve, reject) => {
    socket.once('data', resolve).once('close', () => reject(new Error('login refused')))
  })
  socket.write(target.connectBytes(externalUserId, version))
  await answer
  return socket
}

/** Milliseconds; infinite when the connection ends instead. */
function sosUntilPuback(socket: Socket, n: number): Promise<number> {
  const began = performance.now()
  socket.write(publish('sos/alerts', sos(1_000_000 + n), n + 1))
  return new Promise((resolve) => {
    const onClose = () => resolve(Number.POSITIVE_INFINITY)
    socket.once('data', () => {
      socket.off('close', onClose)
      resolve(performance.now() - began)
    })
    socket.once('close', onClose)
    if (socket.destroyed) onClose()
  })
}

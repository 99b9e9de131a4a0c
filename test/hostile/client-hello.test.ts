import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { startBroker } from '../support/broker.js'
import { readMetrics } from '../support/metrics.js'
import { dial, untilClosed } from '../support/proxied.js'

const HANDSHAKE = 22
const SERVER_HELLO = 2
const REFUSED = 'connect_broker_connections_refused_total'
const reason = { reason: 'client-hello' }

const broker = await startBroker(t, { env: { CONNECT_TIMEOUT_MS: '3000' } })
const { mqtt, mqtts, https } = broker.ports
/** What a TLS client says first, without the header of its record. */
const hello = (await sayHello()).subarray(5)

for (const [name, sizes] of [
  ['one record', [hello.length]],
  ['sixteen records', Array.from({ length: 16 }, () => Math.ceil(hello.length / 16))],
  ['a record of three bytes and another', [3, hello.length]],
] as const) {
  t.test(`a ClientHello in ${name} is answered with a ServerHello`, async (t) => {
    for (const port of [mqtts, https]) {
      for (const isSlow of [false, true]) {
        const socket = await dial(t, port)
        socket.setNoDelay(true)
        let at = 0
        for (const size of sizes) {
          socket.write(record(hello.subarray(at, at + size)))
          if (isSlow) await readMetrics(broker) // the broker has answered something since: it has read this
          at += size
        }
        const [answer] = (await once(socket, 'data')) as [Buffer]
        t.strictSame([answer[0], answer[5]], [HANDSHAKE, SERVER_HELLO])
        socket.destroy()
      }
    }
  })
}

t.test('a ClientHello that is announced with more than 8 KiB ends the connection at once', async (t) => {
  const before = (await readMetrics(broker))(REFUSED, reason)
  for (const port of [mqtts, https]) {
    for (const length of [8_189, 131_000, 0xffffff]) {
      const socket = await dial(t, port)
      socket.write(record(Buffer.from([1, length >> 16, (length >> 8) & 0xff, length & 0xff])))
      t.equal(await untilClosed(socket), '')
    }
    const socket = await dial(t, port)
    socket.write(Buffer.concat(Array.from({ length: 17 }, (_, i) => record(hello.subarray(i, i + 1)))))
    t.equal(await untilClosed(socket), '', 'in seventeen records')
  }
  t.equal((await readMetrics(broker))(REFUSED, reason) - before, 8, 'refused for that, and not for the time')
})

t.test('who says half a ClientHello, or only a ClientHello, is closed when its time is over', async (t) => {
  const says = [mqtts, https].flatMap((port) =>
    ['', record(hello).subarray(0, -1), record(hello)].map((bytes) => ({ port, bytes })),
  )
  await Promise.all(
    says.map(async ({ port, bytes }) => {
      const socket = await dial(t, port)
      socket.write(bytes)
      await untilClosed(socket)
      t.ok(socket.destroyed)
    }),
  )
})

t.test('TLS handshake and CONNECT share one limit, which begins with the accept', async (t) => {
  const first = await dial(t, mqtts)
  for (let i = 0; i < 5; i++) await readMetrics(broker)
  const second = await dial(t, mqtt)
  const { localPort: secondPort } = second
  await readMetrics(broker)
  const secure = connectTls({ socket: first, rejectUnauthorized: false })
  secure.on('error', () => {})
  await once(secure, 'secureConnect')
  const { localPort: firstPort } = first
  await Promise.all([untilClosed(first), untilClosed(second)])
  const late = (port: unknown) => broker.logged((line) => line.port === port && line.clause === 'limit')
  const [firstLine, secondLine] = [await late(firstPort), await late(secondPort)]
  t.match(firstLine, { transport: 'tls', reason: 'no CONNECT in time' })
  t.ok(broker.log.indexOf(firstLine) < broker.log.indexOf(secondLine), 'who came first has to go first')
})

function record(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([HANDSHAKE, 3, 1, body.length >> 8, body.length & 0xff]), body])
}

async function sayHello(): Promise<Buffer> {
  const sent = new PassThrough()
  const socket = connectTls({ socket: Duplex.from({ readable: new PassThrough(), writable: sent }) })
  socket.on('error', () => {})
  const [bytes] = (await once(sent, 'data')) as [Buffer]
  socket.destroy()
  return bytes
}

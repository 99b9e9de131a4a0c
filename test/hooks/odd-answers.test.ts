import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { createSend } from '../../hooks/send.js'
import { signDelivery } from '../../hooks/sign.js'
import { newSecret } from '../support/webhook-receiver.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
/** What a receiver may do, by the path that is asked for, and what the broker makes of it. */
const RECEIVERS: Record<
  string,
  { answer: (socket: Socket) => void; outcome: string | RegExp; isEnded?: true }
> = {
  ok: { answer: (socket) => socket.write(OK), outcome: 'delivered' },
  'an answer of 10 MB': {
    answer(socket) {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n')
      socket.write(Buffer.alloc(10_000_000))
    },
    outcome: 'delivered',
    isEnded: true,
  },
  'an answer that trickles': {
    answer(socket) {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n')
      trickle(socket, 'x'.repeat(10_000_000))
    },
    outcome: 'delivered',
    isEnded: true,
  },
  'a head that trickles': {
    answer: (socket) => trickle(socket, OK),
    outcome: /^no answer within/,
    isEnded: true,
  },
  'it is on its way, for ever': {
    answer: (socket) => repeat(socket, 'HTTP/1.1 100 Continue\r\n\r\n'),
    outcome: /^no answer within/,
    isEnded: true,
  },
  'nothing, and the end': { answer: (socket) => socket.end(), outcome: 'ECONNRESET' },
  'half a head, and the end': { answer: (socket) => socket.end('HTTP/1.1 200 OK\r\nCont'), outcome: /./ },
  'another protocol': {
    answer: (socket) => socket.write('SSH-2.0-OpenSSH_9\r\n'),
    outcome: /^HPE_/,
    isEnded: true,
  },
  'a head of 100 kB': {
    answer: (socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`),
    outcome: 'HPE_HEADER_OVERFLOW',
    isEnded: true,
  },
  'another protocol, asked for by nobody': {
    answer: (socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    outcome: /./,
    isEnded: true,
  },
  'a redirect': {
    answer: (socket) => socket.write('HTTP/1.1 307 Go\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n'),
    outcome: '307: redirects are not followed',
  },
}

t.test('whatever a receiver answers, the attempt comes to an end, and so does what only costs', async (t) => {
  const asked: string[] = []
  const ended = new Map<string, Promise<unknown>>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (chunk: Buffer) => {
      const path = decodeURIComponent(/^POST \/(\S*)/.exec(chunk.toString())?.[1] ?? '')
      asked.push(path)
      ended.set(path, new Promise((resolve) => socket.once('close', resolve)))
      RECEIVERS[path]?.answer(socket)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { send, stop } = createSend({ isAllowed: () => true, timeoutMs: 3_000 })
  t.teardown(() => {
    stop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const headers = signDelivery([newSecret()], 'event', '{}', new Date())
  await Promise.all(
    Object.entries(RECEIVERS).map(async ([path, { outcome, isEnded }]) => {
      const url = `http://127.0.0.1:${port}/${encodeURIComponent(path)}`
      const attempt = await send(url, headers, '{}', new AbortController().signal)
      t.match(attempt.is === 'delivered' ? 'delivered' : attempt.why, outcome, path)
      if (isEnded) await ended.get(path)
    }),
  )
  t.strictSame(asked.toSorted(), Object.keys(RECEIVERS).toSorted(), 'each once: nothing was followed')
})

/** A byte now and then. */
function trickle(socket: Socket, text: string): void {
  let at = 0
  repeat(socket, () => text[at++] ?? '')
}

function repeat(socket: Socket, what: string | (() => string)): void {
  const timer = setInterval(() => socket.write(typeof what === 'string' ? what : what()), 200)
  socket.on('close', () => clearInterval(timer))
}

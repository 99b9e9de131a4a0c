import { createConnection, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

/** What the proxy does with what passes through it. */
export type Weather =
  | { is: 'clear' }
  /** Answers come this much later. */
  | { is: 'slow'; delayMs: number }
  /** Bytes are swallowed and nothing is closed; a connection that lost some never answers again. */
  | { is: 'black hole' }
  /** The reply to a request that holds `word` ends in its middle with a reset; without a word every reply. */
  | { is: 'cut'; word?: string }

export interface RedisProxy {
  /** A value for REDIS_URL. */
  url: string
  port: number
  become(weather: Weather): void
}

/** The network between a broker and its Redis, which is at this socket or port. */
export async function startRedisProxy(t: Test, redis: string | number): Promise<RedisProxy> {
  const sockets = new Set<Socket>()
  let weather: Weather = { is: 'clear' }

  const server = createServer((front) => {
    const back = typeof redis === 'string' ? createConnection(redis) : createConnection(redis, '127.0.0.1')
    for (const socket of [front, back]) {
      sockets.add(socket)
      socket.on('error', () => {}) // a reset is a way to close
      socket.on('close', () => sockets.delete(socket))
    }
    let hasLostBytes = false
    let isCutting = false
    let lastAnswer: Promise<unknown> = Promise.resolve()
    const end = () => {
      if (hasLostBytes) return // whoever talks into a black hole hears nothing, no end either
      front.destroy()
      back.destroy()
    }
    front.on('data', (bytes) => {
      if (weather.is === 'black hole') hasLostBytes = true
      if (hasLostBytes) return
      if (weather.is === 'cut') isCutting = weather.word === undefined || bytes.includes(weather.word)
      back.write(bytes)
    })
    back.on('data', (bytes) => {
      if (weather.is === 'black hole') hasLostBytes = true
      if (hasLostBytes) return
      if (weather.is === 'cut' && isCutting)
        return front.write(bytes.subarray(0, bytes.length / 2), () => {
          front.resetAndDestroy()
          back.destroy()
        })
      const delayMs = weather.is === 'slow' ? weather.delayMs : 0
      const due = delayMs > 0 ? new Promise((resolve) => setTimeout(resolve, delayMs)) : null
      lastAnswer = Promise.all([lastAnswer, due]).then(() => front.write(bytes))
    })
    front.on('close', () => back.destroy())
    back.on('close', end)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    become(next) {
      weather = next
    },
  }
}

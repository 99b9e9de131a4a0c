import type { Socket } from 'node:net'
import type { Result } from './attack.js'
import { open, timeToConnack } from './target.js'
import type { Target } from './target.js'

const SOCKETS = 1_000
const MEMORY_LIMIT_MB = 50
const CONNECT_LIMIT_MS = 1_000
/** Shorter than the broker's patience of 5 s, so that every socket is still held when memory is read. */
const HELD_MS = 3_000

/**
 * Opens 1,000 sockets, sends each what `bytes` says, and keeps them as long as the broker lets it. Meanwhile a
 * legitimate client connects ten times, before each of which every socket sends `next`; memory is read ten times
 * a second, the highest counts.
 */
export async function hold(
  target: Target,
  port: number,
  bytes: Buffer,
  { next, memoryLimitMb = MEMORY_LIMIT_MB }: { next?: Buffer; memoryLimitMb?: number } = {},
): Promise<Result[]> {
  await timeToConnack(target) // what the first login loads and compiles is no part of the attack
  const before = target.residentBytes()
  let highest = before
  const reader = setInterval(() => (highest = Math.max(highest, target.residentBytes())), 100)
  const sockets: Socket[] = []
  const began = performance.now()
  const opening = (async () => {
    while (sockets.length < SOCKETS) {
      sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => open(port)))))
      for (const socket of sockets.slice(-100)) if (bytes.length > 0) socket.write(bytes)
    }
  })()
  let slowest = 0
  for (let i = 0; i < 10; i++) {
    slowest = Math.max(slowest, await timeToConnack(target))
    if (next) for (const socket of sockets) socket.write(next)
    await new Promise((resolve) => setTimeout(resolve, HELD_MS / 10))
  }
  await opening
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + HELD_MS - performance.now())))
  clearInterval(reader)
  for (const socket of sockets) socket.destroy()
  const megabytes = (highest - before) / 2 ** 20
  return [
    { measured: 'resident memory grows by', value: megabytes, limit: memoryLimitMb, unit: 'MB' },
    { measured: 'slowest of 10 legitimate CONNECTs', value: slowest, limit: CONNECT_LIMIT_MS, unit: 'ms' },
  ]
}

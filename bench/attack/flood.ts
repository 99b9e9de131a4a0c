import type { Attack } from './attack.js'
import { open, timeToConnack } from './target.js'

const ATTACKER = '127.0.0.66'
const FLOOD_MS = 5_000
const AT_ONCE = 400

/** One address opens TLS connections as fast as it can and says nothing on them; a client elsewhere wants in. */
export const connectionFlood: Attack = {
  name: 'one address floods the TLS port with connections for 5 s',
  env: { LIMIT_LOOPBACK: 'true' },
  async run(target) {
    await timeToConnack(target)
    const ends = performance.now() + FLOOD_MS
    const before = target.residentBytes()
    let opened = 0
    const flood = Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (performance.now() < ends) {
          const socket = await open(target.ports.mqtts, ATTACKER)
          opened++
          setTimeout(() => socket.destroy(), 1_000).unref()
        }
      }),
    )
    let slowest = 0
    while (performance.now() < ends) {
      slowest = Math.max(slowest, await timeToConnack(target))
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    await flood
    const grown = (target.residentBytes() - before) / 2 ** 20
    return [
      {
        measured: `resident memory grows, after ${opened} connections, by`,
        value: grown,
        limit: 200,
        unit: 'MB',
      },
      { measured: 'slowest legitimate CONNECT', value: slowest, limit: 1_000, unit: 'ms' },
    ]
  },
}

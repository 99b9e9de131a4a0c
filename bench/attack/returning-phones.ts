import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Attack } from './attack.js'
import type { Target } from './target.js'

const WITHIN_MS = 2_000
/** As the SDK: fixed, for ever. */
const RETRY_MS = 2_000
const LIMIT_S = 60

/** No attack at all: after a restart every phone comes back, here all behind one address, and the caps must not keep them out. */
const returningPhones = (count: number, transport: 'TCP' | 'TLS'): Attack => ({
  name: `${count.toLocaleString('en')} phones behind one address come back within 2 s over ${transport}`,
  env: { LIMIT_LOOPBACK: 'true' },
  async run(target) {
    const began = performance.now()
    let refused = 0
    const phones = Array.from({ length: count }, async (_, i) => {
      await sleep((WITHIN_MS * i) / count)
      const bytes = target.connectBytes(`phone-${i}`)
      while (performance.now() - began < LIMIT_S * 1_000) {
        if (await isTaken(target, transport, bytes)) return true
        refused++
        await sleep(RETRY_MS)
      }
      return false
    })
    const isIn = await Promise.all(phones)
    const seconds = (performance.now() - began) / 1_000
    return [
      { measured: 'phones that did not get in', value: isIn.filter((is) => !is).length, limit: 1, unit: '' },
      {
        measured: `all are in, ${refused} of them not at once, after`,
        value: seconds,
        limit: LIMIT_S,
        unit: 's',
      },
    ]
  },
})

export const returningOverTcp = returningPhones(10_000, 'TCP')
export const returningOverTls = returningPhones(4_000, 'TLS')

/** Stays connected until this process ends or the broker does. */
function isTaken({ ports }: Target, transport: 'TCP' | 'TLS', bytes: Buffer): Promise<boolean> {
  const socket =
    transport === 'TCP'
      ? connectTcp({ port: ports.mqtt, host: '127.0.0.1' })
      : connectTls({ port: ports.mqtts, host: '127.0.0.1', rejectUnauthorized: false })
  socket.on('error', () => {})
  socket.write(bytes)
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

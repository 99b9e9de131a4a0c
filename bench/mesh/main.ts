import { parseArgs } from 'node:util'
import type { Test } from 'tap'
import { createHeapReader, playHostile } from '../../test/support/hostile-intake.js'
import { BEGIN, positionOf, published } from '../../test/support/mesh-gateway.js'
import { openMeshHost, registerDevice } from '../../test/support/mesh-host.js'
import type { MeshHost } from '../../test/support/mesh-host.js'
import { DEFAULT_KEY } from '../../test/support/mesh-packets.js'
import { user } from '../../test/support/stores.js'
import { measureThroughMqtt } from './through-mqtt.js'

const MIB = 1024 * 1024
const NODES = 2_000
const GATEWAYS = 500
const AT_ONCE = 2_000

/**
 * `npm run mesh -- [hostile|positions|mqtt] [--hostile 200000] [--seed N] [--envelopes 50000]
 * [--rate 5000] [--telemetry 1000] [--seconds 60] [--store embedded|redis]`
 *
 * What random and mutated publications cost, and how many encrypted positions a second get into the embedded store, in one
 * process and without a broker around; then `--rate` of them a second through MQTT into a broker on one core, beside
 * `--telemetry` messages a second of phones, and what an SOS waits for. The last needs two cores and taskset.
 * Exit code 1 when memory grew, a position was not kept, or a limit was not held.
 */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rate: { type: 'string', default: '5000' },
      telemetry: { type: 'string', default: '1000' },
      seconds: { type: 'string', default: '60' },
      store: { type: 'string' },
      hostile: { type: 'string', default: '200000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
      envelopes: { type: 'string', default: '50000' },
    },
  })
  const closers: (() => unknown)[] = []
  // The support of the tests wants only somebody who closes what it opened.
  const t = { teardown: (close: () => unknown) => void closers.push(close) } as unknown as Test
  try {
    const wanted = (name: string) => positionals.length === 0 || positionals.includes(name)
    const held: boolean[] = []
    if (wanted('hostile'))
      held.push(await playHostileIn(await openMeshHost(t), Number(values.hostile), Number(values.seed)))
    if (wanted('positions')) held.push(await playPositionsIn(await openMeshHost(t), Number(values.envelopes)))
    for (const store of ['embedded', 'redis'] as const) {
      if (!wanted('mqtt') || (values.store !== undefined && values.store !== store)) continue
      const [envelopesPerSecond, telemetryPerSecond] = [Number(values.rate), Number(values.telemetry)]
      const seconds = Number(values.seconds)
      held.push(await measureThroughMqtt({ store, seconds, envelopesPerSecond, telemetryPerSecond }))
    }
    return held.every(Boolean) ? 0 : 1
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

async function playHostileIn(host: MeshHost, cases: number, seed: number): Promise<boolean> {
  await registerDevice(host.store, user('alice'), 'CF:82:11:22:33:44')
  const heapUsed = createHeapReader()
  await playHostile(host.mesh.intake, Math.ceil(cases / 10), seed + 1_000_000_000)
  const [before, began] = [heapUsed(), performance.now()]
  await playHostile(host.mesh.intake, cases, seed)
  const seconds = (performance.now() - began) / 1_000
  const heap = (heapUsed() - before) / MIB
  print(`hostile: seed ${seed}, ${cases} in ${seconds.toFixed(1)} s, heap ${heap.toFixed(1)} MiB more`)
  print(await outcomesOf(host))
  return heap < HEAP_MIB_MAX
}

async function playPositionsIn(host: MeshHost, count: number): Promise<boolean> {
  const register = async (i: number) => {
    const tail = i.toString(16).padStart(4, '0').toUpperCase()
    await registerDevice(host.store, user(`user-${i}`), `CF:82:40:00:${tail.slice(0, 2)}:${tail.slice(2)}`)
  }
  await Promise.all(Array.from({ length: NODES }, (_, i) => register(i)))
  const callOf = (i: number) => {
    const atMs = BEGIN + i * 5
    const packet = positionOf(0x4000_0000 + (i % NODES), atMs, 41 + i / 1e6)
    return { i, atMs, call: published({ ...packet, encryptFor: { key: DEFAULT_KEY, hash: 8 } }) }
  }
  const cpu = { user: 0, system: 0 }
  let seconds = 0
  for (let i = 0; i < count; i += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, k) => callOf(i + k))
    const [began, before] = [performance.now(), process.cpuUsage()]
    await Promise.all(some.map(({ i: n, atMs, call }) => host.send(`gw-${n % GATEWAYS}`, ...call, atMs)))
    seconds += (performance.now() - began) / 1_000
    const used = process.cpuUsage(before)
    cpu.user += used.user
    cpu.system += used.system
  }
  const perEnvelope = Math.round((cpu.user + cpu.system) / count)
  print(
    `positions: ${count} in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)}/s, ${perEnvelope} µs CPU each`,
  )
  print(await outcomesOf(host))
  const { values } = await host.metrics.meshMessages.get()
  return values.find(({ labels }) => labels.outcome === 'telemetry')?.value === count
}

async function outcomesOf({ metrics }: MeshHost): Promise<string> {
  const { values } = await metrics.meshMessages.get()
  return `  ${values.map(({ labels, value }) => `${labels.outcome} ${value}`).join(', ')}`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** What is remembered of a day's packets has 20 MB when full. */
const HEAP_MIB_MAX = 48

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
process.exitCode = await main()

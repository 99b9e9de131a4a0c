import { parseArgs } from 'node:util'
import t from 'tap'
import { createHeapReader, playHostile } from '../../test/support/hostile-intake.js'
import { BEGIN, positionOf, published } from '../../test/support/mesh-gateway.js'
import { openMeshHost, registerDevice } from '../../test/support/mesh-host.js'
import { DEFAULT_KEY } from '../../test/support/mesh-packets.js'
import { user } from '../../test/support/stores.js'

/*
 * `npm run mesh -- [--hostile 200000] [--seed N] [--envelopes 50000]`: what random and mutated publications cost, and how
 * many encrypted positions a second get into the embedded store, in one process and without a broker around.
 */
const { values } = parseArgs({
  options: {
    hostile: { type: 'string', default: '200000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
    envelopes: { type: 'string', default: '50000' },
  },
})
const MIB = 1024 * 1024
const NODES = 200
const GATEWAYS = 50
const AT_ONCE = 200

t.setTimeout(0)
t.test('random and mutated publications', async (t) => {
  const [cases, seed] = [Number(values.hostile), Number(values.seed)]
  const host = await openMeshHost(t)
  await registerDevice(host.store, user('alice'), 'CF:82:11:22:33:44')
  const heapUsed = createHeapReader()
  await playHostile(host.mesh.intake, Math.ceil(cases / 10), seed + 1_000_000_000)
  const [before, began] = [heapUsed(), performance.now()]
  await playHostile(host.mesh.intake, cases, seed)
  const seconds = (performance.now() - began) / 1_000
  const metrics = await host.metrics.meshMessages.get()
  const outcomes = metrics.values.map(({ labels, value }) => `${labels.outcome} ${value}`).join(', ')
  const heap = (heapUsed() - before) / MIB
  t.comment(
    `seed ${seed}: ${cases} in ${seconds.toFixed(1)} s; heap ${heap.toFixed(1)} MiB more; ${outcomes}`,
  )
  t.ok(heap < 48, 'no growth beyond what is remembered of a day')
})

t.test('encrypted positions', async (t) => {
  const host = await openMeshHost(t)
  for (let i = 0; i < NODES; i++) {
    const tail = i.toString(16).padStart(2, '0').toUpperCase()
    await registerDevice(host.store, user(`user-${i}`), `CF:82:40:00:00:${tail}`)
  }
  const count = Number(values.envelopes)
  const packets = Array.from({ length: count }, (_, i) => {
    const atMs = BEGIN + i * 50
    const packet = positionOf(0x4000_0000 + (i % NODES), atMs, 41 + i / 1e6)
    return { atMs, call: published({ ...packet, encryptFor: { key: DEFAULT_KEY, hash: 8 } }) }
  })
  const began = performance.now()
  for (let i = 0; i < count; i += AT_ONCE)
    await Promise.all(
      packets
        .slice(i, i + AT_ONCE)
        .map(({ atMs, call }, k) => host.send(`gw-${(i + k) % GATEWAYS}`, ...call, atMs)),
    )
  const seconds = (performance.now() - began) / 1_000
  const metrics = await host.metrics.meshMessages.get()
  const outcomes = metrics.values.map(({ labels, value }) => `${labels.outcome} ${value}`).join(', ')
  t.comment(`${count} in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} a second; ${outcomes}`)
  t.equal(metrics.values.find(({ labels }) => labels.outcome === 'telemetry')?.value, count)
})

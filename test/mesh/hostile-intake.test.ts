import t from 'tap'
import { alertOf, published } from '../support/mesh-gateway.js'
import { createHeapReader, playHostile } from '../support/hostile-intake.js'
import { openMeshHost, registerDevice } from '../support/mesh-host.js'
import { NOW } from '../support/mesh-reading.js'
import { user } from '../support/stores.js'

/** `FUZZ_SEED=1 node dist/test/mesh/hostile-intake.test.js` repeats a run; `npm run mesh` plays 200,000. */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 1_000_000_000))
const CASES = 2_000
const MIB = 1024 * 1024

t.test(
  `${CASES} random and mutated publications are taken, counted and bounded (FUZZ_SEED=${seed})`,
  async (t) => {
    const host = await openMeshHost(t)
    await registerDevice(host.store, user('alice'), 'CF:82:11:22:33:44')
    const heapUsed = createHeapReader()
    await playHostile(host.mesh.intake, CASES / 5, seed + 1_000_000_000)
    const before = heapUsed()
    await playHostile(host.mesh.intake, CASES, seed)
    const more = heapUsed() - before
    t.ok(more < 16 * MIB, `${more} bytes more on the heap`)

    const { values } = await host.metrics.meshMessages.get()
    const counted = new Map(values.map(({ labels, value }) => [labels.outcome, value]))
    t.ok([...counted.values()].reduce((sum, value) => sum + value, 0) >= CASES * 1.2, 'every one is counted')
    t.equal(counted.get('failed'), undefined)
    for (const outcome of ['sos', 'copy', 'malformed', 'gateway-mismatch', 'undecryptable'])
      t.ok((counted.get(outcome) ?? 0) > 0, `${outcome}: ${counted.get(outcome)}`)
    const alerts = await host.store.incidents.readAll('demo-app', 'open-unattributed', 1_000, undefined)
    t.ok(alerts.entries.length <= 61, `${alerts.entries.length} alerts`)
    t.ok((await host.mesh.heard.list('demo-app')).length <= 1_000)

    const later = NOW + CASES * 20 + 120_000
    await host.send('gw-1', ...published(alertOf(0x11223344, later, 'a real one')), later)
    t.match(await host.store.incidents.readOpen(user('alice')), { report: { message: 'a real one' } })
  },
)

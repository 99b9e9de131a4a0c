import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { root, startBroker, temporaryDirectory } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { readCorpus } from '../support/corpus.js'
import { fuzzCredentials, writeFuzzApps } from '../support/fuzz-app.js'
import type { InProcessResult } from '../support/fuzz-in-process.js'
import { runConnections } from '../support/fuzz-run.js'
import { COLLECTS_ON_SIGNAL, metricsUntil, readCollected } from '../support/metrics.js'
import { playInput } from '../support/play-input.js'
import { logIn } from '../support/raw-client.js'
import type { RawClient } from '../support/raw-client.js'
import { publishBytes, sosPayload } from '../support/wire-packets.js'

/**
 * `FUZZ_SEED=1 TAP_TIMEOUT=240 node dist/test/gate/fuzz.test.js` repeats a run; with `FUZZ_CASES=192000` it takes as
 * long as a run before a release should. Each run of the suite draws another seed.
 */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 1_000_000_000))

/*
 * What counts as one is said at runConnection in support/fuzz-run.ts. A part goes through real
 * sockets to one broker process. The bulk goes to gates of the same code over memory, with the real engine, login,
 * handlers and embedded store behind them: that needs no port for each connection and a tenth of the time. There
 * most connections are a hostile CONNECT; over sockets most are a login with hostile packets behind it.
 */
const CASES_IN_PROCESS = Number(process.env.FUZZ_CASES ?? 16_000)
/** A quarter, but for a long run, whose sockets would take an hour. */
const CASES_OVER_SOCKETS = Math.min(8_000, CASES_IN_PROCESS / 4)
const MIB = 1024 * 1024

t.test(`hostile bytes end no process, hold no socket and no memory (FUZZ_SEED=${seed})`, async (t) => {
  const broker = await startBroker(t, {
    env: {
      CONNECT_TIMEOUT_MS: '1000',
      // No limit of these is meant here, and with them a message is handled as soon as it is read.
      TELEMETRY_RATE: '1000000',
      TELEMETRY_BURST: '1000000',
      SESSIONS_PER_USER: '1000',
      // What the store keeps must not look like a leak.
      TELEMETRY_PER_APP: '100',
      EVENTS_PER_APP: '1000',
      // Of the fuzzers, so that the inputs of test/corpus log in.
      APPS_FILE: writeFuzzApps(temporaryDirectory(t)),
      ...COLLECTS_ON_SIGNAL,
    },
  })
  // Before the machine is busy: a login may take CONNECT_TIMEOUT_MS.
  const bystander = await logIn(t, broker.ports.mqtt, fuzzCredentials('bystander'), { keepalive: 600 })
  await Promise.all([fuzzOverSockets(t, broker, bystander), fuzzInProcess(t)])
})

async function fuzzOverSockets(t: Test, broker: Broker, bystander: RawClient): Promise<void> {
  const open = () => connect({ port: broker.ports.mqtt, host: '127.0.0.1' }).setNoDelay(true)
  const user = fuzzCredentials('fuzz')
  const options = { atOnce: 200, sessionsOf10: 8, hangingOf1000: 10 }
  bystander.sendPacket({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions: [{ topic: 'sos/events/bystander', qos: 1 }],
  })
  await bystander.nextOf('suback')

  // What once found something, or reached a path that few inputs reach.
  const corpus = readCorpus(join(root, 'test/corpus'))
  t.ok(corpus.length >= 40)
  const outcomes = await Promise.all(
    corpus.map(({ port, pieces }) => playInput(broker.ports[port], pieces, { heldAfterMs: 60_000 })),
  )
  t.same(
    corpus.filter((_, i) => outcomes[i]?.isHeld).map(({ why }) => why),
    [],
    'every connection of the corpus was closed',
  )

  // A first tenth brings code, pools and metrics to their size; memory counts from there.
  await runConnections(open, user, { ...options, seed: seed + 1_000_000, cases: CASES_OVER_SOCKETS / 10 })
  const before = await readWhenQuiet(broker)
  const tally = await runConnections(open, user, { ...options, seed, cases: CASES_OVER_SOCKETS })
  const after = await readWhenQuiet(broker)
  t.comment(tally)

  t.ok(tally.cases >= CASES_OVER_SOCKETS)
  t.same(tally.nonsense, [], 'every answer was a packet that a server sends')
  t.ok(
    after('connect_broker_protocol_violations_total') > CASES_OVER_SOCKETS / 10,
    'the packets were hostile',
  )
  t.ok(
    after('connect_broker_messages_total', { outcome: 'accepted' }) > CASES_OVER_SOCKETS / 16,
    'and reached the handlers',
  )
  // Every client saw its connection closed, those that never end theirs too: by CONNECT_TIMEOUT_MS or keep alive.
  t.equal(after('connect_broker_connections'), 1, 'only the bystander is connected')
  t.equal(after('connect_broker_sessions'), 1)
  t.ok(after('nodejs_active_resources', { type: 'TCPSocketWrap' }) <= 3, 'and no socket is held behind that')

  // Some 700 connections: 4 MiB is below 6 KiB for each, and one that is not let go costs 25. Measured: below 1.5 MiB.
  const heap = after('nodejs_heap_size_used_bytes') - before('nodejs_heap_size_used_bytes')
  t.ok(heap < 4 * MIB, `the heap holds ${Math.round(heap / 1024)} KiB more than before`)
  // Resident memory also holds what the allocator keeps for later and pages of the store's file.
  const resident = after('process_resident_memory_bytes') - before('process_resident_memory_bytes')
  t.ok(resident < 100 * MIB, `resident memory is ${Math.round(resident / 1024)} KiB more than before`)

  bystander.send(publishBytes('sos/alerts', sosPayload(), { messageId: 2 }))
  t.equal((await bystander.nextOf('puback')).messageId, 2)
  const { payload } = await bystander.nextOf('publish')
  t.match(JSON.parse(payload.toString()), { type: 'processed', occurredAt: '2026-05-01T10:00:00.000Z' })
  t.equal(broker.child.exitCode, null)
  t.same(
    broker.log.filter(({ level }) => level === 'fatal' || level === 'error'),
    [],
  )
  t.equal(await broker.stop(), 0)
}

async function fuzzInProcess(t: Test): Promise<void> {
  const program = fileURLToPath(new URL('../support/fuzz-in-process.js', import.meta.url))
  // An exception that nobody catches ends the program, and execFile rejects with what it wrote.
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--v8-pool-size=0',
    program,
    String(seed),
    String(CASES_IN_PROCESS),
  ])
  const { nonsense, ...result } = JSON.parse(stdout) as InProcessResult
  t.comment(result)
  t.ok(result.cases >= CASES_IN_PROCESS)
  t.same(nonsense, [], 'every answer was a packet that a server sends')
  t.equal(result.openGates, 0, 'every gate is closed')
  t.equal(result.sessions, 0, 'and every session is over')
  // Behind the first tenth some 4,000 connections: 800 bytes of each would be more. Measured: below 2 MiB.
  t.ok(result.heapMore < 3 * MIB, `the heap holds ${Math.round(result.heapMore / 1024)} KiB more than before`)
}

/** Metrics when only the bystander is connected and the garbage of everybody else is collected. */
async function readWhenQuiet(broker: Broker) {
  await metricsUntil(broker, (read) => read('connect_broker_connections') === 1)
  return readCollected(broker)
}

import t from 'tap'
import { createLog } from '../../ops/log.js'
import { openRedisStore } from '../../store/redis/redis-store.js'
import { UncertainWrite } from '../../store/store.js'
import type { TelemetryRecord, WriteAttempt } from '../../store/store.js'
import { readTelemetry } from '../support/journal.js'
import { processIdOf, timestampOf } from '../support/publishing.js'
import { startRedis } from '../support/redis.js'
import { RETENTION, user } from '../support/stores.js'

const redis = await startRedis(t)
const { log } = createLog({ level: 'silent', isTerminal: false })
const store = await openRedisStore({ url: redis.url, retention: RETENTION, log })
t.teardown(() => store.stop())

t.test('telemetry that Redis refused counts as not stored, whatever it took behind it', async (t) => {
  // Alice's position may not be written, Bob's may: their batches wait in one connection.
  await setKeys(
    '~cb:{demo-app}:[^p]*',
    '~cb:{demo-app}:p[^o]*',
    `~cb:{demo-app}:position:${user('bob').userId}`,
  )
  const pid = await processIdOf(redis)
  process.kill(pid, 'SIGSTOP')
  const alice = store.telemetry.append(record('alice', 1)).catch((error: unknown) => error)
  await nextTurn()
  const bob = store.telemetry.append(record('bob', 2))
  await nextTurn()
  process.kill(pid, 'SIGCONT')
  const refused = await alice
  await bob
  t.match(refused, { message: /NOPERM/ })
  t.strictSame(await readTelemetry(redis), [`bob ${timestampOf(2)}`])
  await setKeys('~*')
  await store.late.append('demo-app', [late('alice', 1, attemptOf(refused))])
  t.strictSame(await readTelemetry(redis), [`bob ${timestampOf(2)}`, `alice ${timestampOf(1)}`])
})

t.test('entries that are brought again, in part or with others, are there once', async (t) => {
  await redis.client.del('cb:{demo-app}:telemetry')
  const entries = [3, 4, 5, 6].map((n) => late('carol', n))
  await store.late.append('demo-app', entries.slice(0, 2))
  await store.late.append('demo-app', entries.slice(1, 3))
  await store.late.append('demo-app', entries)
  t.strictSame(
    await readTelemetry(redis),
    [3, 4, 5, 6].map((n) => `carol ${timestampOf(n)}`),
  )
  t.match(await store.telemetry.readLastPosition(user('carol')), { occurredAt: timestampOf(6) })
})

t.test(
  'a position that was received before the last one that is known does not become the last',
  async (t) => {
    await store.telemetry.append(record('dave', 9))
    await store.late.append('demo-app', [late('dave', 8)])
    t.match(await store.telemetry.readLastPosition(user('dave')), { occurredAt: timestampOf(9) })
    t.ok((await readTelemetry(redis)).includes(`dave ${timestampOf(8)}`), 'it is kept all the same')
  },
)

async function setKeys(...patterns: string[]): Promise<void> {
  await redis.client.call('ACL', 'SETUSER', 'default', 'resetkeys', ...patterns)
}

function attemptOf(error: unknown): WriteAttempt | undefined {
  return error instanceof UncertainWrite ? error.attempt : undefined
}

function late(name: string, n: number, attempt?: WriteAttempt) {
  return { record: record(name, n), run: 'a-run', file: 'a-file', number: n, ...(attempt ? { attempt } : {}) }
}

function record(name: string, n: number): TelemetryRecord {
  const occurredAt = timestampOf(n)
  return {
    ...user(name),
    occurredAt,
    receivedAt: occurredAt,
    position: { latitude: 41.4, longitude: 2.2 },
    fields: {},
  }
}

/** What was appended is on its way then. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}

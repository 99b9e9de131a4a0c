import t from 'tap'
import { startBroker } from '../../support/broker.js'
import { runProgram } from '../../support/programs.js'
import { startRedis } from '../../support/redis.js'
import { isReady, readinessUntil, readReadiness } from '../../support/readiness.js'
import { createWitnesses } from '../../support/redis-trouble.js'

// One broker lives through everything that a Redis answers instead of doing what it is asked.
const LOAD_US_PER_KEY = 100
const redis = await startRedis(
  t,
  `--user broker on >right ~* &* +@all --key-load-delay ${LOAD_US_PER_KEY}`.split(' '),
)
// It lets clients in only every 1,024 keys, and the test ends the loading when it has seen enough of it.
await redis.client.eval("for n = 1, 400000 do redis.call('SET', 'filler:' .. n, '') end", 0)
await redis.stop()
let loading = redis.start()
await redisCli('PING')
const broker = await startBroker(t, { env: { REDIS_URL: `unix://broker:right@localhost${redis.url}` } })
const witnesses = await createWitnesses(t, broker, redis)

t.test('a broker that starts while Redis is loading takes an SOS, and brings it later', async (t) => {
  t.match(await readReadiness(broker), { status: 'degraded', reasons: [/takes no writes/] })
  await witnesses.report(t, 'alice', 'during it')
  await endLoading()
  await readinessUntil(broker, isReady)
  await witnesses.compare(t)
})

t.test('a Redis that restarts and is LOADING: journal, and recovery', async (t) => {
  await witnesses.liveThrough(t, {
    async begin() {
      await redis.stop('SIGKILL')
      loading = redis.start()
    },
    reason: /Redis takes no writes \(.*loading/i,
    end: endLoading,
  })
})

t.test('a Redis that has become a replica answers READONLY: journal, and recovery', async (t) => {
  await witnesses.liveThrough(t, {
    // The port of no server: it keeps its data and waits for a master.
    begin: () => redis.client.replicaof('127.0.0.1', 1),
    reason: /Redis takes no writes \(READONLY/,
    end: () => redis.client.replicaof('NO', 'ONE'),
  })
})

t.test('a Redis whose memory is full answers OOM: journal, and recovery', async (t) => {
  await witnesses.liveThrough(t, {
    begin: () => redis.client.config('SET', 'maxmemory', '1'),
    reason: /Redis takes no writes \(OOM/,
    end: () => redis.client.config('SET', 'maxmemory', '0'),
  })
})

t.test('the password is changed under a running broker: journal, until it is right again', async (t) => {
  await witnesses.liveThrough(t, {
    async begin() {
      await redis.client.call('ACL', 'SETUSER', 'broker', 'resetpass', '>wrong')
      await redis.client.client('KILL', 'USER', 'broker')
    },
    reason: /Redis takes no writes \(.*WRONGPASS/,
    end: () => redis.client.call('ACL', 'SETUSER', 'broker', 'resetpass', '>right'),
  })
})

for (const [right, reason] of [
  ['@write', /Redis takes no writes \(NOPERM/],
  // What probes need is still allowed.
  ['xadd', /the journal holds 1 SOS and 1 telemetry/],
] as const) {
  t.test(`the right to ${right} is taken away: journal, until it is given back`, async (t) => {
    await witnesses.liveThrough(t, {
      begin: () => redis.client.call('ACL', 'SETUSER', 'broker', `-${right}`),
      reason,
      end: () => redis.client.call('ACL', 'SETUSER', 'broker', `+${right}`),
    })
  })
}

t.test('after each of these the new connections stayed: none was given up as silent', async (t) => {
  t.strictSame(
    broker.log.filter(({ reason }) => /socket timeout/i.test(String(reason))),
    [],
  )
})

async function endLoading(): Promise<void> {
  await redisCli('CONFIG', 'SET', 'key-load-delay', '0')
  await loading
  await redisCli('CONFIG', 'SET', 'key-load-delay', String(LOAD_US_PER_KEY))
}

/** Tries until Redis answers anything. */
async function redisCli(...command: string[]): Promise<void> {
  for (;;) {
    const { code } = await runProgram(t, 'redis-cli', ['-s', redis.url, ...command]).ended
    if (code === 0) return
  }
}

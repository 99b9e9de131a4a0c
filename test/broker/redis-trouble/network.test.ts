import t from 'tap'
import { startBroker } from '../../support/broker.js'
import { readEventLog } from '../../support/publishing.js'
import { startRedis } from '../../support/redis.js'
import { startRedisProxy } from '../../support/redis-proxy.js'
import { isReady, readinessUntil, readReadiness } from '../../support/readiness.js'
import { createWitnesses } from '../../support/redis-trouble.js'

// One broker and one Redis live through everything; between them a proxy that plays the network.
const STORE_TIMEOUT_MS = 300
const redis = await startRedis(t)
const proxy = await startRedisProxy(t, redis.url)
proxy.become({ is: 'black hole' })
const broker = await startBroker(t, {
  env: { REDIS_URL: proxy.url, STORE_TIMEOUT_MS: String(STORE_TIMEOUT_MS) },
})
const witnesses = await createWitnesses(t, broker, redis)

t.test('a broker that starts while Redis answers nothing takes an SOS, and brings it later', async (t) => {
  t.match(await readReadiness(broker), { status: 'degraded', reasons: [/takes no writes/] })
  await witnesses.report(t, 'alice', 'during it')
  proxy.become({ is: 'clear' })
  await readinessUntil(broker, isReady)
  await witnesses.compare(t)
})

t.test('Redis answers too late for a phone: journal, and recovery when it is prompt again', async (t) => {
  await witnesses.liveThrough(t, {
    begin: () => proxy.become({ is: 'slow', delayMs: STORE_TIMEOUT_MS * 2 }),
    reason: /Redis takes no writes \(no answer within 300 ms\)/,
    end: () => proxy.become({ is: 'clear' }),
  })
})

t.test('the network swallows every byte: journal, and recovery over new connections', async (t) => {
  await witnesses.liveThrough(t, {
    begin: () => proxy.become({ is: 'black hole' }),
    reason: /Redis takes no writes \(.*(no answer within 300 ms|timeout)/,
    end: () => proxy.become({ is: 'clear' }),
  })
})

t.test('connections are reset in the middle of every reply: journal, and recovery', async (t) => {
  await witnesses.liveThrough(t, {
    begin: () => proxy.become({ is: 'cut' }),
    reason: /Redis takes no writes \(.*(ECONNRESET|closed)/,
    end: () => proxy.become({ is: 'clear' }),
  })
})

t.test('what Redis has done before its reply is cut off happens once', async (t) => {
  // Only scripts are cut, and every change is one: probes find Redis well all the time.
  proxy.become({ is: 'cut', word: 'evalsha' })
  for (let n = 0; n < 3; n++) {
    await witnesses.report(t, 'alice', 'whose reply is cut off')
    await witnesses.sendTelemetry(t, 'whose reply is cut off')
  }
  proxy.become({ is: 'clear' })
  await readinessUntil(broker, isReady)
  await witnesses.compare(t)
})

t.test('Redis begins to want a password: journal, until it wants none', async (t) => {
  await witnesses.liveThrough(t, {
    async begin() {
      await redis.client.config('SET', 'requirepass', 'new')
      await redis.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    },
    reason: /Redis takes no writes \(.*NOAUTH/,
    end: () => redis.client.config('SET', 'requirepass', ''),
  })
})

t.test(
  'SIGTERM while the network swallows every byte: exit code 0, and the journal keeps what it has',
  async (t) => {
    proxy.become({ is: 'black hole' })
    await witnesses.report(t, 'alice', 'before the stop')
    t.equal(await broker.stop('SIGTERM'), 0)
    t.equal(broker.log.at(-1)?.msg, 'stopped')
    const again = await startBroker(t, { env: { REDIS_URL: redis.url }, dataDir: broker.dataDir })
    await readinessUntil(again, isReady)
    const last = (await readEventLog(redis)).findLast(({ externalUserId }) => externalUserId === 'alice')
    t.match(last, { type: 'processed', report: { timestamp: witnesses.lastReported('alice') } })
  },
)

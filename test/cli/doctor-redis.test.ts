import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../support/broker.js'
import { runCli, settingsOf } from '../support/cli.js'
import { backendHeaders, send } from '../support/http.js'
import { startRedis } from '../support/redis.js'

interface Finding {
  check: string
  is: 'ok' | 'warning' | 'fault'
  says: string
}

const redis = await startRedis(t)
const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
const settings = { ...settingsOf(broker), REDIS_URL: redis.url }

t.test('Redis that keeps what it acknowledges is no fault', async (t) => {
  const { code, findings } = await doctor(t)
  t.equal(code, 0)
  t.match(of(findings, 'redis'), { is: 'ok', says: /on the disk of Redis/ })
  t.match(of(findings, 'drill'), { is: 'ok' })
})

t.test('a second that may be lost is a warning, as some want it so', async (t) => {
  await redis.client.config('SET', 'appendfsync', 'everysec')
  const { code, findings } = await doctor(t, '--no-sos')
  t.equal(code, 0)
  t.match(of(findings, 'redis'), { is: 'warning', says: /set appendfsync always/ })
  await redis.client.config('SET', 'appendfsync', 'always')
})

t.test('fault: Redis without append-only file', async (t) => {
  await redis.client.config('SET', 'appendonly', 'no')
  const { code, findings } = await doctor(t, '--no-sos')
  t.equal(code, 1)
  t.match(of(findings, 'redis'), { is: 'fault', says: /set appendonly yes/ })
})

t.test('fault: Redis that throws open incidents away when memory is short', async (t) => {
  await redis.client.config('SET', 'appendonly', 'yes')
  await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  const { code, findings } = await doctor(t, '--no-sos')
  t.equal(code, 1)
  t.match(of(findings, 'redis'), { is: 'fault', says: /set noeviction/ })
  await redis.client.config('SET', 'maxmemory-policy', 'noeviction')
})

t.test('fault: Redis is down; no drill is sent that nobody could take back', async (t) => {
  const eventsBefore = await countEvents()
  await redis.stop()
  const { code, findings } = await doctor(t)
  t.equal(code, 1)
  t.match(of(findings, 'redis'), {
    is: 'fault',
    says: /^Redis does not answer \(.*\): until it does, an SOS goes to the journal/,
  })
  t.match(of(findings, 'admin'), { is: 'fault', says: /degraded: Redis takes no writes/ })
  t.match(of(findings, 'http'), { is: 'fault', says: /^the profile is answered with 503/ })
  t.match(of(findings, 'drill'), { is: 'warning', says: /^no SOS is sent: .* could not be taken back/ })
  t.match(of(findings, 'tcp'), { is: 'ok', says: /no SOS was sent/ }, 'phones get in all the same')
  await redis.start()
  await broker.logged(({ msg }) => msg === 'redis connection is back')
  t.equal(await countEvents(), eventsBefore)
})

async function countEvents(): Promise<number> {
  for (;;) {
    const { status, json } = await send(broker, 'http', 'GET', '/v1/backend/events?limit=500', {
      headers: backendHeaders(broker),
    })
    if (status === 200) return (json as { events: object[] }).events.length
  }
}

async function doctor(t: Test, ...args: string[]) {
  const { code, json } = await runCli(t, ['doctor', '--json', ...args], settings)
  return { code, findings: json<{ findings: Finding[] }>().findings }
}

function of(findings: Finding[], check: string): Finding | undefined {
  return findings.find((one) => one.check === check)
}

import type { Test } from 'tap'
import type { TelemetryRecord } from '../../store/store.js'
import type { Broker } from './broker.js'
import {
  publishPacket,
  publishSos,
  readEventLog,
  sosPayload,
  subscribeToEvents,
  timestampOf,
} from './publishing.js'
import { logIn } from './raw-client.js'
import { isReady, readinessUntil } from './readiness.js'
import type { RedisServer } from './redis.js'

export interface Trouble {
  begin(): unknown
  /** What `/readyz` says during it. */
  reason: RegExp
  end(): unknown
}

/**
 * Sessions that are connected from now on, through every trouble: alice's and bob's phones report, bob's watch sends
 * telemetry, and alice's tablet listens.
 */
export async function createWitnesses(
  t: Test,
  broker: Broker,
  redis: Pick<RedisServer, 'client'>,
  appId = 'demo-app',
) {
  const logInAs = (name: string, protocolVersion: 4 | 5) =>
    // No keep alive: the test says nothing while it waits.
    logIn(t, broker.ports.mqtt, broker.credentials(name, appId), { protocolVersion, keepalive: 0 })
  const alice = await logInAs('alice', 4)
  const bob = await logInAs('bob', 5)
  const watch = await logInAs('bob', 5)
  const events = await subscribeToEvents(await logInAs('alice', 5), ['sos/events/alice'])
  let sent = 0
  const reported: Record<'alice' | 'bob', string[]> = { alice: [], bob: [] }
  const telemetry: string[] = []

  async function report(t: Test, name: 'alice' | 'bob', when: string): Promise<void> {
    const n = ++sent
    t.ok(await publishSos(name === 'alice' ? alice : bob, n), `${name}'s SOS ${when} is acknowledged`)
    reported[name].push(timestampOf(n))
  }

  async function sendTelemetry(t: Test, when: string): Promise<void> {
    const n = ++sent
    watch.sendPacket(publishPacket('tel/data', sosPayload(n), 2))
    const { reasonCode } = await watch.nextOf('puback')
    t.equal(reasonCode ?? 0, 0, `telemetry ${when} is acknowledged`)
    telemetry.push(timestampOf(n))
  }

  /** Everything reported so far is in Redis once and in order, and the tablet has heard of it so. */
  async function compare(t: Test): Promise<void> {
    const copies = await events.until((seen) => seen.length >= reported.alice.length)
    t.strictSame(
      copies.map(({ type, occurredAt }) => [type, occurredAt]),
      reported.alice.map((at) => ['processed', at]),
      'the session that was connected all the time hears of every report once and in order',
    )
    const log = await readEventLog(redis, appId)
    for (const name of ['alice', 'bob'] as const)
      t.strictSame(
        log.filter(({ externalUserId }) => externalUserId === name).map((event) => event.report?.timestamp),
        reported[name],
        `every SOS of ${name} is in Redis once and in order`,
      )
    const stored = await redis.client.xrange(`cb:{${appId}}:telemetry`, '-', '+')
    t.strictSame(
      // What came by the journal may stand behind what came later.
      stored.map(([, fields]) => (JSON.parse(fields[1] as string) as TelemetryRecord).occurredAt).toSorted(),
      telemetry,
      'telemetry is in Redis once',
    )
    t.equal(broker.child.exitCode, null, 'it is the same process all the time')
    t.notOk(
      broker.log.find(({ level }) => level === 'fatal'),
      'and nothing was unhandled',
    )
  }

  return {
    report,
    lastReported: (name: 'alice' | 'bob') => reported[name].at(-1),
    sendTelemetry,
    compare,
    /** Lives through it; what is acknowledged before, in and after it must be there once in the end. */
    async liveThrough(t: Test, { begin, reason, end }: Trouble): Promise<void> {
      await report(t, 'alice', 'before')
      await sendTelemetry(t, 'before')
      await begin()
      await Promise.all([report(t, 'alice', 'in the first moment'), sendTelemetry(t, 'in the first moment')])
      const { status, reasons } = await readinessUntil(broker, (now) => reason.test(now.reasons.join(' ')))
      t.equal(status, 'degraded', reasons.join('; '))
      for (let n = 0; n < 3; n++) await report(t, 'alice', 'during it')
      await Promise.all([report(t, 'bob', 'during it'), sendTelemetry(t, 'during it')])
      await end()
      await report(t, 'alice', 'right after')
      await readinessUntil(broker, isReady)
      await Promise.all([report(t, 'alice', 'afterwards'), sendTelemetry(t, 'afterwards')])
      await compare(t)
    },
  }
}

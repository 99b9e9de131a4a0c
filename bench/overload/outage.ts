import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { openMqttSession } from '../support/mqtt-session.js'
import type { MqttSession } from '../support/mqtt-session.js'
import { startBenchBroker } from './bench-broker.js'
import { describeLatencies, percentiles } from './percentiles.js'

/**
 * Redis goes away for a while under a steady load of SOS and telemetry: how long a PUBACK takes meanwhile, and what
 * is in Redis afterwards.
 */
export async function measureOutage(options: {
  how: 'stopped' | 'frozen'
  awaySeconds: number
  sosPerSecond: number
  telemetryPerSecond: number
}): Promise<boolean> {
  const { how, awaySeconds, sosPerSecond, telemetryPerSecond } = options
  const broker = await startBenchBroker('redis', {
    TELEMETRY_PER_APP: '10000000',
    EVENTS_PER_APP: '10000000',
  })
  const latencies = { before: [] as number[], during: [] as number[], after: [] as number[] }
  let phase: keyof typeof latencies = 'before'
  const acknowledged = { sos: new Set<string>(), telemetry: new Set<number>() }
  const heard = new Map<string, number>()
  let notAcknowledged = 0
  let ended = 0
  const phones: { name: string; session: MqttSession }[] = []
  for (let i = 0; i < sosPerSecond; i++) {
    const name = `caller-${i}`
    const session = await openMqttSession({
      port: broker.ports.mqtt,
      version: i % 2 === 0 ? 5 : 4,
      ...broker.signIn(name),
      topicFilters: [`sos/events/${name}`],
      onEvent(_topic, payload) {
        const { type, occurredAt } = JSON.parse(payload.toString()) as { type: string; occurredAt: string }
        if (type === 'processed')
          heard.set(`${name} ${occurredAt}`, (heard.get(`${name} ${occurredAt}`) ?? 0) + 1)
      },
    })
    void session.ended.then(() => ended++)
    phones.push({ name, session })
  }
  const walkers = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      openMqttSession({
        port: broker.ports.mqtt,
        version: 4,
        ...broker.signIn(`walker-${i}`),
        topicFilters: [`sos/events/walker-${i}`],
        onEvent() {},
      }),
    ),
  )
  const endedAtStart = ended

  const load = { isOver: false }
  const open: Promise<void>[] = []
  /** Open loop: latency counts from the moment at which the message was due. */
  const loading = (async () => {
    const began = performance.now()
    const sent = { sos: 0, telemetry: 0 }
    while (!load.isOver) {
      await pause(5)
      const elapsed = (performance.now() - began) / 1000
      for (; sent.sos < elapsed * sosPerSecond; sent.sos++) {
        const { name, session } = phones[sent.sos % phones.length]!
        const due = began + (sent.sos / sosPerSecond) * 1000
        open.push(sendSos(name, session, sent.sos, due))
      }
      for (; sent.telemetry < elapsed * telemetryPerSecond; sent.telemetry++)
        open.push(sendTelemetry(walkers[sent.telemetry % walkers.length]!, sent.telemetry))
    }
  })()

  async function sendSos(name: string, session: MqttSession, n: number, due: number): Promise<void> {
    const timestamp = new Date(Date.parse('2026-05-01T00:00:00.000Z') + n).toISOString()
    const at = phase
    const outcome = await session.publish(
      'sos/alerts',
      JSON.stringify({ timestamp, latitude: 41.4, longitude: 2.2 }),
      false,
    )
    if (outcome !== 'acknowledged') return void notAcknowledged++
    latencies[at].push(performance.now() - due)
    acknowledged.sos.add(`${name} ${timestamp}`)
  }
  async function sendTelemetry(session: MqttSession, n: number): Promise<void> {
    const payload = JSON.stringify({ timestamp: new Date().toISOString(), latitude: 41.4, longitude: 2.2, n })
    if ((await session.publish('tel/data', payload, false)) === 'acknowledged') acknowledged.telemetry.add(n)
    else notAcknowledged++
  }

  await pause(5_000)
  phase = 'during'
  const wentAt = performance.now()
  await broker.signalRedis(how === 'stopped' ? 'SIGTERM' : 'SIGSTOP')
  await pause(awaySeconds * 500)
  const readiness = await broker.readiness()
  await pause(awaySeconds * 1000 - (performance.now() - wentAt))
  if (how === 'stopped') await broker.startRedis()
  else await broker.signalRedis('SIGCONT')
  phase = 'after'
  const cameBackAt = performance.now()
  while ((await broker.readiness()).status !== 'ready') await pause(100)
  const recoverySeconds = (performance.now() - cameBackAt) / 1000
  await pause(5_000)
  load.isOver = true
  await loading
  await Promise.all(open)
  while ((await broker.readiness()).status !== 'ready') await pause(100)

  const redis = new Redis(broker.redisSocket)
  const storedSos = new Map<string, number>()
  for (const [, fields] of await redis.xrange('cb:{demo-app}:events', '-', '+')) {
    const event = JSON.parse(fields[1] as string) as {
      externalUserId: string
      report?: { timestamp: string }
    }
    const key = `${event.externalUserId} ${event.report?.timestamp}`
    storedSos.set(key, (storedSos.get(key) ?? 0) + 1)
  }
  const storedTelemetry = new Map<number, number>()
  for (const [, fields] of await redis.xrange('cb:{demo-app}:telemetry', '-', '+')) {
    const { n } = (JSON.parse(fields[1] as string) as { fields: { n: number } }).fields
    storedTelemetry.set(n, (storedTelemetry.get(n) ?? 0) + 1)
  }
  redis.disconnect()
  const until = performance.now() + 10_000
  const unheard = () => [...acknowledged.sos].filter((key) => !heard.has(key)).length
  while (unheard() > 0 && performance.now() < until) await pause(100)

  const lost = {
    sos: [...acknowledged.sos].filter((key) => !storedSos.has(key)).length,
    telemetry: [...acknowledged.telemetry].filter((n) => !storedTelemetry.has(n)).length,
  }
  const twice = {
    sos: [...storedSos.values()].filter((count) => count > 1).length,
    telemetry: [...storedTelemetry.values()].filter((count) => count > 1).length,
  }
  const events = { unheard: unheard(), twice: [...heard.values()].filter((count) => count > 1).length }
  const { p99 } = percentiles(latencies.during)
  const held =
    p99 < SOS_P99_MS &&
    readiness.status === 'degraded' &&
    [
      notAcknowledged,
      lost.sos,
      lost.telemetry,
      twice.sos,
      twice.telemetry,
      events.unheard,
      ended - endedAtStart,
    ].every((count) => count === 0) &&
    !broker.hasExited()
  process.stdout.write(
    `outage, Redis ${how} for ${awaySeconds} s under ${sosPerSecond} SOS/s and ${telemetryPerSecond} telemetry/s\n` +
      `  SOS to PUBACK before ${describeLatencies(latencies.before)}\n` +
      `                during ${describeLatencies(latencies.during)}\n` +
      `                after  ${describeLatencies(latencies.after)}\n` +
      `  readiness meanwhile: ${readiness.status}: ${readiness.reasons.join('; ')}\n` +
      `  ready again ${recoverySeconds.toFixed(1)} s after Redis\n` +
      `  acknowledged ${acknowledged.sos.size} SOS, ${acknowledged.telemetry.size} telemetry; not acknowledged ${notAcknowledged}\n` +
      `  lost ${lost.sos} SOS, ${lost.telemetry} telemetry; stored twice ${twice.sos} SOS, ${twice.telemetry} telemetry\n` +
      `  events unheard ${events.unheard}, heard twice ${events.twice}; connections ended ${ended - endedAtStart}\n` +
      `  broker ${Math.round(broker.residentBytes() / 1e6)} MB: ${held ? 'held' : 'NOT HELD'} (p99 during < ${SOS_P99_MS} ms, nothing lost or twice)\n`,
  )
  for (const session of [...phones.map((phone) => phone.session), ...walkers]) session.destroy()
  await broker.stop()
  return held
}

const SOS_P99_MS = 1_000

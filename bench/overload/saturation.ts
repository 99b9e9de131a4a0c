import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { openMqttSession } from '../support/mqtt-session.js'
import { LOAD_CORE, startBenchBroker } from './bench-broker.js'
import { describeLatencies, percentiles } from './percentiles.js'

/**
 * Telemetry without end from many clients, and ten SOS a second beside it, so that a percentile is one: how long the SOS waits for its PUBACK
 * and for its event. The broker (and Redis) have one core, the load has the other.
 */
export async function measureSaturation(options: {
  store: 'embedded' | 'redis'
  seconds: number
  clients: number
  env: NodeJS.ProcessEnv
}): Promise<boolean> {
  const { store, seconds, clients, env } = options
  const broker = await startBenchBroker(store, { LOG_LEVEL: 'info', ...env })
  const flood = spawn(
    'taskset',
    ['-c', LOAD_CORE, process.execPath, new URL('flood.js', import.meta.url).pathname],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  let counts = { acknowledged: 0, ended: 0 }
  createInterface({ input: flood.stdout }).on('line', (line) => (counts = JSON.parse(line) as typeof counts))
  const eventWaits = new Map<string, number>()
  const eventLatencies: number[] = []
  const phone = await openMqttSession({
    port: broker.ports.mqtt,
    version: 5,
    ...broker.signIn('caller'),
    topicFilters: ['sos/events/caller'],
    onEvent(_topic, payload) {
      const { occurredAt } = JSON.parse(payload.toString()) as { occurredAt: string }
      eventLatencies.push(performance.now() - (eventWaits.get(occurredAt) ?? Number.NaN))
    },
  })
  const users = Array.from({ length: clients }, (_, i) => broker.signIn(`walker-${i}`))
  flood.stdin.write(`${JSON.stringify({ port: broker.ports.mqtt, clients: users })}\n`)
  await pause(WARM_UP_S * 1000)
  const before = { ...counts, cpu: broker.cpuSeconds() }
  const latencies: number[] = []
  let refused = 0
  for (let n = 0; n < seconds * SOS_PER_SECOND; n++) {
    const next = performance.now() + 1_000 / SOS_PER_SECOND
    const timestamp = new Date().toISOString()
    eventWaits.set(timestamp, performance.now())
    const began = performance.now()
    const outcome = await phone.publish(
      'sos/alerts',
      JSON.stringify({ timestamp, latitude: 41.4, longitude: 2.2 }),
      false,
    )
    if (outcome === 'acknowledged') latencies.push(performance.now() - began)
    else refused++
    await pause(Math.max(0, next - performance.now()))
  }
  const rate = (counts.acknowledged - before.acknowledged) / seconds
  const cpu = (broker.cpuSeconds() - before.cpu) / seconds
  const p99 = percentiles(latencies).p99
  const held =
    p99 < SOS_P99_MS && refused === 0 && counts.ended === 0 && eventLatencies.length >= latencies.length
  process.stdout.write(
    `saturation, ${store}: ${clients} clients without pause, ${Math.round(rate)} telemetry/s acknowledged, ` +
      `broker ${(cpu * 100).toFixed(0)} % of a core, ${Math.round(broker.residentBytes() / 1e6)} MB\n` +
      `  SOS to PUBACK ${describeLatencies(latencies)}\n  SOS to event  ${describeLatencies(eventLatencies)}\n` +
      `  refused ${refused}, connections ended ${counts.ended}: ${held ? 'held' : 'NOT HELD'} (PUBACK p99 < ${SOS_P99_MS} ms)\n`,
  )
  flood.stdin.end()
  phone.destroy()
  const vanishedAt = performance.now()
  while ((await broker.sessions()) > 0 && performance.now() - vanishedAt < VANISH_LIMIT_MS) await pause(100)
  process.stdout.write(
    `  all clients vanished at once: ${await broker.sessions()} sessions left after ` +
      `${((performance.now() - vanishedAt) / 1000).toFixed(1)} s, ${Math.round(broker.residentBytes() / 1e6)} MB\n`,
  )
  await broker.stop()
  return held
}

/** A connection that ends has five seconds for its answers. */
const VANISH_LIMIT_MS = 30_000
const WARM_UP_S = 5
const SOS_PER_SECOND = 10
const SOS_P99_MS = 50

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { LOAD_CORE, startBenchBroker } from '../overload/bench-broker.js'
import { describeLatencies, percentiles } from '../overload/percentiles.js'
import { openMqttSession } from '../support/mqtt-session.js'
import type { Order } from './envelope-flood.js'

const APP = { appId: 'demo-app', secrets: ['a secret of the bench'] }
const FIRST_NODE = 0x4000_0000

/**
 * Encrypted positions of gateways and telemetry of phones at a steady rate, and one SOS a second beside them: how long it
 * waits for its PUBACK. The broker (and Redis) have one core, the load has the other. True when all was acknowledged in
 * time, and the SOS too.
 */
export async function measureThroughMqtt(options: {
  store: 'embedded' | 'redis'
  seconds: number
  envelopesPerSecond: number
  telemetryPerSecond: number
}): Promise<boolean> {
  const { store, seconds, envelopesPerSecond, telemetryPerSecond } = options
  const gateways = Math.ceil(envelopesPerSecond / PER_GATEWAY)
  const nodes = Math.ceil(envelopesPerSecond / PER_NODE)
  const appsFile = join(tmpdir(), `connect-broker-bench-apps-${process.pid}.json`)
  const mesh = { channels: [{ name: 'LongFast', key: 'AQ==' }] }
  writeFileSync(appsFile, JSON.stringify({ apps: [{ ...APP, mesh }] }), { mode: 0o600 })
  const broker = await startBenchBroker(store, {
    LOG_LEVEL: 'info',
    APPS_FILE: appsFile,
    GATEWAY_RATE: '1000',
  })
  const { ports, signIn } = broker
  const ask = async (method: string, path: string, headers: Record<string, string>, body: object) => {
    const response = await fetch(`http://127.0.0.1:${ports.http}/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as { gateway: { username: string }; token: string }
  }

  const register = async (i: number) => {
    const name = `wearer-${i}`
    const tail = (FIRST_NODE + i).toString(16).toUpperCase().match(/../g)?.join(':')
    const device = { hardware_id: `CF:82:${tail}`, firmware_version: '', hardware_model: '', paired_at: '' }
    const { password } = signIn(name)
    const who = { 'x-app-id': APP.appId, 'x-user-id': name, authorization: `Bearer ${password}` }
    await ask('POST', '/sdk/devices', who, device)
  }
  for (let i = 0; i < nodes; i += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, nodes - i) }, (_, k) => register(i + k)))
  const authorization = `Basic ${Buffer.from(`${APP.appId}:${APP.secrets[0]}`).toString('base64')}`
  const logins: Order['gateways'] = []
  for (let i = 0; i < gateways; i++) {
    const { gateway, token } = await ask(
      'POST',
      '/backend/gateways',
      { authorization },
      { gatewayId: `gw-${i}` },
    )
    logins.push({ username: gateway.username, password: token })
  }

  const program = new URL('envelope-flood.js', import.meta.url).pathname
  const flood = spawn('taskset', ['-c', LOAD_CORE, process.execPath, program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let counts = { envelopes: 0, telemetry: 0, sent: 0, ended: 0 }
  createInterface({ input: flood.stdout }).on('line', (line) => (counts = JSON.parse(line) as typeof counts))
  const phone = await openMqttSession({
    port: ports.mqtt,
    version: 5,
    ...signIn('caller'),
    topicFilters: ['sos/events/caller'],
    onEvent: () => {},
  })
  const order: Order = {
    port: ports.mqtt,
    gateways: logins,
    phones: Array.from({ length: PHONES }, (_, i) => signIn(`walker-${i}`)),
    envelopesPerSecond,
    telemetryPerSecond,
    firstNode: FIRST_NODE,
    nodes,
  }
  flood.stdin.write(`${JSON.stringify(order)}\n`)
  await pause(WARM_UP_S * 1_000)
  const before = { ...counts, cpu: broker.cpuSeconds() }
  const latencies: number[] = []
  let refused = 0
  for (let n = 0; n < seconds; n++) {
    const began = performance.now()
    const report = JSON.stringify({ timestamp: new Date().toISOString(), latitude: 41.4, longitude: 2.2 })
    if ((await phone.publish('sos/alerts', report, false)) === 'acknowledged')
      latencies.push(performance.now() - began)
    else refused++
    await pause(Math.max(0, began + 1_000 - performance.now()))
  }
  const perSecond = (name: 'envelopes' | 'telemetry') => (counts[name] - before[name]) / seconds
  const cpu = (broker.cpuSeconds() - before.cpu) / seconds
  const metrics = await (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text()
  const outcomes = [...metrics.matchAll(/^connect_broker_mesh_messages_total\{outcome="(.+)"\} (\d+)/gm)]
  const held =
    percentiles(latencies).p99 < SOS_P99_MS &&
    refused === 0 &&
    counts.ended === 0 &&
    perSecond('envelopes') >= envelopesPerSecond * 0.98
  process.stdout.write(
    `through MQTT, ${store}: ${Math.round(perSecond('envelopes'))} of ${envelopesPerSecond} envelopes/s and ` +
      `${Math.round(perSecond('telemetry'))} of ${telemetryPerSecond} telemetry/s acknowledged, ` +
      `broker ${(cpu * 100).toFixed(0)} % of a core, ${Math.round(broker.residentBytes() / 1e6)} MB\n` +
      `  ${outcomes.map(([, outcome, count]) => `${outcome} ${count}`).join(', ')}\n` +
      `  SOS to PUBACK ${describeLatencies(latencies)}, refused ${refused}, connections ended ${counts.ended}: ` +
      `${held ? 'held' : 'NOT HELD'} (p99 < ${SOS_P99_MS} ms)\n`,
  )
  flood.stdin.end()
  await once(flood, 'exit')
  phone.destroy()
  await broker.stop()
  rmSync(appsFile)
  return held
}

/** Half of what the intake takes of one gateway and of one node. */
const PER_GATEWAY = 10
const PER_NODE = 0.5
const AT_ONCE = 50
const PHONES = 100
const WARM_UP_S = 5
const SOS_P99_MS = 50

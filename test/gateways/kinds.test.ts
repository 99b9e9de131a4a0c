import t from 'tap'
import { backendOf, eventLogOf, register, sdkOf } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import {
  CALLS_OF_FIRMWARE,
  CALLS_OF_PROGRAMS,
  KEPT_OF_FIRMWARE,
  NINAS,
  OF_FIRMWARE,
  OF_PROGRAMS,
  OTTOS,
} from '../support/gateway-samples.js'
import type { Sample } from '../support/gateway-samples.js'
import {
  BRIDGE,
  connectGateway,
  KINDS,
  makeGateway,
  MESH_APPS,
  OLD_NODE,
  PYTHON,
} from '../support/gateways.js'
import { writeMeshApps } from '../support/gateways.js'
import type { GatewayKind } from '../support/gateways.js'
import { VECTORS } from '../support/mesh-vectors.js'
import { readMetrics } from '../support/metrics.js'
import { openStoreOf } from '../support/stored.js'

const appIdOf = (kind: GatewayKind) => `app-${KINDS.indexOf(kind)}`
const secretOf = (appId: string) => `secret of ${appId}`
// An app for each kind, so that the same bytes are nobody's copy.
const apps = KINDS.map(appIdOf).map((appId) => ({ ...MESH_APPS[0], appId, secrets: [secretOf(appId)] }))
const broker = await startBroker(t, { env: { APPS_FILE: writeMeshApps(t, apps), LOG_LEVEL: 'debug' } })

for (const kind of KINDS) {
  const appId = appIdOf(kind)
  const secret = secretOf(appId)
  const { get, put } = backendOf(broker, appId, secret)
  /** What became of what this gateway sent, once it is so much. */
  const takenOf = async (count: number): Promise<Record<string, number>> => {
    for (;;) {
      const { status, text } = await get('/mesh/gateways/roof')
      if (status !== 200) continue
      const { gateway } = JSON.parse(text) as { gateway: { outcomes: Record<string, number> } }
      if (Object.values(gateway.outcomes).reduce((sum, one) => sum + one, 0) >= count) return gateway.outcomes
    }
  }

  t.test(`what a mesh says arrives from ${kind.title}`, async (t) => {
    for (const [name, hardwareId, node] of [
      ['nina', NINAS, '!11223344'],
      ['otto', OTTOS, '!7efeb2c8'],
    ] as const) {
      await register(sdkOf(broker, broker.credentials(name, appId)), hardwareId)
      t.equal((await put(`/nodes/${node}`, { hardwareId })).status, 200)
    }
    const client = await connectGateway(t, broker, await makeGateway(broker, 'roof', appId, secret), kind)
    const sent = sentBy(kind)
    const before = await retained()
    // The vectors one by one: a call takes the position over that was there before it. An end comes after its call.
    const single = VECTORS.length
    const steps = [...sent.slice(0, single).map((one) => [one]), sent.slice(single, -1), sent.slice(-1)]
    for (const [i, step] of steps.entries()) {
      for (const { topic, payload } of step) client.send(topic, payload)
      await takenOf(steps.slice(0, i + 1).flat().length)
    }
    t.strictSame(await takenOf(sent.length), countOutcomes(sent))
    if (kind.isRetained) t.equal((await retained()) - before, sent.length, 'without its retain flag')
    if (kind.qos > 0) for (const _ of sent) t.equal((await client.raw.nextOf('puback')).reasonCode ?? 0, 0)
    await client.ping()

    const [incident, ...more] = (await get('/incidents?state=all')).body.incidents ?? []
    t.strictSame(more, [], 'every call is in one incident')
    t.match(incident, {
      state: 'active',
      source: 'gateway',
      hardwareId: NINAS,
      user: { externalUserId: 'nina' },
    })
    const reports = (await eventLogOf(broker, appId, secret)).flatMap(({ report }) => report ?? [])
    t.equal(reports.length, sent.filter(({ becomes }) => becomes === 'sos').length)
    t.equal(incident?.reports, reports.length)
    if (kind !== PYTHON) {
      for (const call of CALLS_OF_FIRMWARE) t.ok(reports.some(fits(call)), `call by ${call.triggerSource}`)
      const radio = reports.find(fits({ fields: { mesh: { packet: '0000999d' } } })) as { position?: Place }
      const { latitude, longitude, altitude } = radio.position ?? {}
      t.strictSame([latitude?.toFixed(4), longitude?.toFixed(4), altitude], ['41.3826', '2.1768', 120])
      const { position } = (await get('/users/otto')).body
      t.match(position, { latitude: 39.932168, longitude: -86.278887, altitude: 10 })
    }
    if (kind === PYTHON || kind === BRIDGE) {
      for (const call of CALLS_OF_PROGRAMS) t.ok(reports.some(fits(call)), `call by ${call.triggerSource}`)
      const cancelHeard = { by: 'user', becomes: 'resolved', sender: NINAS, gatewayId: 'roof' }
      t.match(incident, { cancelHeard })
    }
    t.strictSame((await get('/alerts?state=all')).body.alerts, [], 'nothing is nobody’s')
  })
}

t.test('the telemetry of every kind is in the store, with its values', async (t) => {
  const store = await openStoreOf(t, broker)
  for (const kind of KINDS) {
    const kept = await store.telemetry.readLatest(appIdOf(kind), 99)
    const wanted = kind === PYTHON ? [] : KEPT_OF_FIRMWARE
    for (const one of wanted) t.ok(kept.some(fits(one)), `${kind.title}: ${JSON.stringify(one)}`)
    t.equal(kept.length, sentBy(kind).filter(({ becomes }) => /history|telemetry/.test(becomes)).length)
    if (kind !== PYTHON && kind !== BRIDGE) continue
    t.ok(kept.some(fits({ occurredAt: '2026-05-01T10:00:00.000Z', position: { latitude: 41.4 } })))
    t.ok(kept.some(fits({ fields: { deviceBattery: 88, mesh: { device: NINAS } } })))
  }
})

interface Place {
  latitude?: number
  longitude?: number
  altitude?: number
}

/** Older firmware has its topic under another letter, and programs have topics of their own. */
function sentBy(kind: GatewayKind): Sample[] {
  if (kind === PYTHON) return OF_PROGRAMS
  if (kind !== OLD_NODE) return kind === BRIDGE ? [...OF_FIRMWARE, ...OF_PROGRAMS] : OF_FIRMWARE
  return OF_FIRMWARE.map((one) => ({ ...one, topic: one.topic.replace('/2/e/', '/2/c/') }))
}

function countOutcomes(sent: Sample[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { becomes } of sent) counts[becomes] = (counts[becomes] ?? 0) + 1
  return counts
}

/** Whether a value has all of this in it. */
function fits(wanted: object): (found: unknown) => boolean {
  const has = (found: unknown, part: unknown): boolean =>
    typeof part === 'object' && part !== null
      ? typeof found === 'object' &&
        found !== null &&
        Object.entries(part).every(([name, value]) => has((found as Record<string, unknown>)[name], value))
      : Object.is(found, part)
  return (found) => has(found, wanted)
}

async function retained(): Promise<number> {
  return (await readMetrics(broker))('connect_broker_oddities_total', { kind: 'mesh', note: 'retained' })
}

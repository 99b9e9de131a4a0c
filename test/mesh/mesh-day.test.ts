import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nodeIdOf } from '../../store/node-ids.js'
import { backendOf, register, sdkOf } from '../support/api.js'
import type { IncidentJson } from '../support/api.js'
import { root, startBroker, temporaryDirectory } from '../support/broker.js'
import { connectGateway, makeGateway, MESH_APPS, NODE, writeMeshApps } from '../support/gateways.js'
import type { GatewayClient } from '../support/gateways.js'
import { alertOf, BEGIN, positionOf, published } from '../support/mesh-gateway.js'
import { COARSE, GATEWAYS, gatewayIdOf, meshDay, NOT_OK } from '../support/mesh-day.js'
import type { Publication } from '../support/mesh-day.js'
import { refusedConnack } from '../support/phone.js'
import { logIn } from '../support/raw-client.js'
import { openStoreOf } from '../support/stored.js'

const HOUR = 3_600_000
const SPOOFED = { code: 0x87, topic: 'eixam/2/e/LongFast/!a0000001' }
const clockFile = join(temporaryDirectory(t), 'offset')
/** The broker's wall clock shows this, and goes on. */
function setClock(ms: number): void {
  writeFileSync(`${clockFile}.new`, String(ms - Date.now()))
  renameSync(`${clockFile}.new`, clockFile) // or it is read half written
}

t.setTimeout(120_000)
t.test('a day of a mesh: every position once, every SOS once, nothing on the wrong person', async (t) => {
  setClock(BEGIN)
  const broker = await startBroker(t, {
    env: {
      APPS_FILE: writeMeshApps(t, [MESH_APPS[0] as object, { ...MESH_APPS[0], ...MESH_APPS[1] }]),
      // A day within seconds.
      GATEWAY_RATE: '100000',
      GATEWAY_BURST: '100000',
      CLOCK_OFFSET_FILE: clockFile,
    },
    nodeOptions: ['--import', join(root, 'dist/test/support/shifted-clock.js')],
  })
  const backend = backendOf(broker)
  const day = meshDay({ begin: BEGIN, roundMs: HOUR })
  for (const { name, hardwareId, number, isExplicit } of day.wearers) {
    await register(sdkOf(broker, broker.credentials(name, 'app-a')), hardwareId)
    if (isExplicit) await backend.put(`/nodes/${nodeIdOf(number)}`, { hardwareId })
  }
  const clients = new Map<string, GatewayClient>()
  for (const gatewayId of [...GATEWAYS.map(gatewayIdOf), 'gw-json'])
    clients.set(gatewayId, await connectGateway(t, broker, await makeGateway(broker, gatewayId), NODE))

  await play(clients, day.publications)
  setClock(BEGIN + 25 * HOUR)
  const number = day.wearers[0]?.number ?? 0
  await clients.get('gw-json')?.publish(...jsonOf(number))
  // The same number on the air of somebody else's gateway, and from somebody who is no gateway.
  const other = await connectGateway(t, broker, await makeGateway(broker, 'gw-1', 'app-b'))
  t.equal(await other.publish(...published(positionOf(number, BEGIN + 25 * HOUR, 1))), 0)
  const [, spoofed] = published(alertOf(number, BEGIN + 25 * HOUR), { gateway: '!a0000001' })
  const eve = broker.credentials('eve', 'app-a')
  const phone = await logIn(t, broker.ports.mqtt, eve, { protocolVersion: 5 })
  const { topic } = SPOOFED
  const packet = { cmd: 'publish', topic, payload: spoofed, qos: 1, messageId: 1 } as const
  phone.sendPacket({ ...packet, retain: false, dup: false })
  t.equal((await phone.nextOf('puback')).reasonCode, SPOOFED.code)
  const asGateway = { username: 'gw:app-a:gw-1', password: Buffer.from(eve.password) }
  t.equal((await refusedConnack(t, broker.ports.mqtt, { protocolVersion: 4, ...asGateway })).returnCode, 5)

  const incidents: IncidentJson[] = []
  for (let cursor = ''; ;) {
    const { body } = await backend.get(`/incidents?state=open&limit=50${cursor && `&cursor=${cursor}`}`)
    incidents.push(...(body.incidents ?? []))
    if (!body.pagination?.next_cursor) break
    cursor = body.pagination.next_cursor
  }
  t.same(
    new Map(incidents.map(({ user, reports }) => [user?.externalUserId, reports])),
    day.calls,
    'one incident and one report for each call',
  )
  const { alerts } = (await backend.get('/alerts?state=all')).body
  t.match(alerts, [{ reports: 1, sender: nodeIdOf(day.strangers[0] ?? 0) }])
  t.equal(alerts?.length, 1)

  const { text } = await backend.get('/mesh')
  const { why } = JSON.parse(text) as { why: Hint[] }
  t.strictSame(
    why
      .map(({ code, gatewayId, node, channel = '' }) => `${code} ${gatewayId ?? node} ${channel}`.trim())
      .toSorted(),
    [
      ...GATEWAYS.map((node) => `undecryptable ${gatewayIdOf(node)} LongFast`),
      'json-only gw-json',
      `coarse-position ${nodeIdOf(day.wearers[COARSE]?.number ?? 0)}`,
      `not-ok-to-mqtt ${nodeIdOf(day.wearers[NOT_OK]?.number ?? 0)}`,
      ...day.strangers.map((stranger) => `unmapped-node ${nodeIdOf(stranger)}`),
    ].toSorted(),
    'the operator reads why something does not arrive',
  )
  t.equal(why.find(({ code }) => code === 'undecryptable')?.count, 24)

  const { telemetry } = await openStoreOf(t, broker)
  const kept = (await telemetry.readLatest('app-a', 9_999)).toReversed()
  for (const { name } of day.wearers)
    t.strictSame(
      kept
        .filter((one) => one.externalUserId === name && one.position && !one.isHistory)
        .map(({ occurredAt }) => occurredAt),
      day.positions.get(name) ?? [],
      name,
    )
  const nameOf = new Map(
    day.wearers.flatMap(({ name, number: one, renumbered = one }) => [
      [nodeIdOf(one), name],
      [nodeIdOf(renumbered), name],
    ]),
  )
  const wrong = kept.filter(
    ({ externalUserId, fields }) => nameOf.get((fields.mesh as { node: string }).node) !== externalUserId,
  )
  t.strictSame(wrong, [], 'nothing is on the wrong person')
  t.equal(
    kept.filter(({ isHistory }) => isHistory).length,
    49,
    'what was played back with new ids is history',
  )
  t.strictSame(await telemetry.readLatest('app-b', 9), [])
})

interface Hint {
  code: string
  gatewayId?: string
  node?: string
  channel?: string
  count?: number
}

/** What arrives within a minute arrives at once, at its end; between minutes everything is acknowledged. */
async function play(clients: Map<string, GatewayClient>, publications: Publication[]): Promise<void> {
  const minutes = new Map<number, Publication[]>()
  for (const one of publications) {
    const minute = Math.floor(one.atMs / 60_000)
    minutes.set(minute, [...(minutes.get(minute) ?? []), one])
  }
  for (const [minute, together] of minutes) {
    setClock((minute + 1) * 60_000)
    const sent = together.map(({ gatewayId, topic, payload }) => {
      const client = clients.get(gatewayId) as GatewayClient
      client.send(topic, payload, { qos: 1 })
      return client
    })
    for (const client of sent) await client.raw.nextOf('puback')
  }
}

function jsonOf(from: number): [topic: string, payload: string] {
  const packet = { from, to: -1, id: 77, sender: '!a0000009', timestamp: 0, channel: 0, type: 'text' }
  return ['msh/2/json/LongFast/!a0000009', JSON.stringify({ ...packet, payload: { text: 'hello' } })]
}

import t from 'tap'
import type { Hint } from '../../handlers/mesh/why-nothing.js'
import { whyNothingArrives } from '../../handlers/mesh/why-nothing.js'
import { nodeIdOf } from '../../store/node-ids.js'
import { BEGIN, positionOf, published } from '../support/mesh-gateway.js'
import { COARSE, GATEWAYS, gatewayIdOf, meshDay, NOT_OK } from '../support/mesh-day.js'
import { openMeshHost, registerDevice } from '../support/mesh-host.js'
import type { MeshHost } from '../support/mesh-host.js'
import { user } from '../support/stores.js'

const HOUR = 3_600_000

t.test('a day of a mesh: every position once, every SOS once, nothing on the wrong person', async (t) => {
  const host = await openMeshHost(t)
  const day = meshDay({ begin: BEGIN, roundMs: HOUR })
  for (const { name, hardwareId, number, isExplicit } of day.wearers) {
    await registerDevice(host.store, user(name), hardwareId)
    if (isExplicit) await host.mesh.nodes.change('demo-app', nodeIdOf(number), () => ({ hardwareId }))
  }
  const [jsonTopic, jsonPayload] = jsonOf(day.wearers[1]?.number ?? 0)
  await play(host, day.publications)
  await host.send('gw-json', jsonTopic, jsonPayload, BEGIN + 25 * HOUR)
  // The same numbers on the air of somebody else's gateway.
  const foreign = published(positionOf(day.wearers[0]?.number ?? 0, BEGIN + 25 * HOUR, 1))
  await host.mesh.intake.take({ appId: 'other-app', gatewayId: 'gw-1' }, ...foreign, BEGIN + 25 * HOUR)

  const kept = (await host.store.telemetry.readLatest('demo-app', 9_999)).toReversed()
  const seenOf = (name: string) =>
    kept.filter(
      ({ externalUserId, position, isHistory }) => externalUserId === name && position && !isHistory,
    )
  for (const { name } of day.wearers)
    t.strictSame(
      seenOf(name).map(({ occurredAt }) => occurredAt),
      day.positions.get(name) ?? [],
      name,
    )
  const numberOf = new Map(
    day.wearers.flatMap(
      ({ name, number, renumbered }) =>
        [
          [nodeIdOf(number), name],
          ...(renumbered === undefined ? [] : [[nodeIdOf(renumbered), name] as const]),
        ] as [string, string][],
    ),
  )
  const wrong = kept.filter(({ externalUserId, fields }) => {
    const { node } = fields.mesh as { node: string }
    return numberOf.get(node) !== externalUserId
  })
  t.strictSame(wrong, [], 'nothing is on the wrong person')
  const replayed = kept.filter(({ isHistory }) => isHistory)
  t.equal(replayed.length, 49, 'what was played back with new ids is history')

  const { entries: open } = await host.store.incidents.readAll('demo-app', 'open', 99, undefined)
  t.same(
    new Map(open.map(({ externalUserId, reports }) => [externalUserId, reports])),
    day.calls,
    'one incident and one report for each call',
  )
  const alerts = await host.store.incidents.readAll('demo-app', 'open-unattributed', 99, undefined)
  t.match(alerts.entries, [{ reports: 1, unattributed: { sender: nodeIdOf(day.strangers[0] ?? 0) } }])
  t.strictSame(await host.store.telemetry.readLatest('other-app', 9), [])

  const statuses = host.mesh.statuses.of('demo-app')
  const heard = await host.mesh.heard.list('demo-app')
  const unmapped = new Set<string>()
  for (const { nodeId } of heard)
    if ((await host.mesh.whose.ask('demo-app', { nodeId })).is === 'nobody') unmapped.add(nodeId)
  const why = whyNothingArrives(statuses, heard, unmapped)
  const brief = ({ code, gatewayId, node, channel }: Hint) =>
    [code, gatewayId ?? node, channel].join(' ').trim()
  t.strictSame(
    why.map(brief).toSorted(),
    [
      ...GATEWAYS.map((node) => `undecryptable ${gatewayIdOf(node)} LongFast`),
      'json-only gw-json',
      `coarse-position ${nodeIdOf(day.wearers[COARSE]?.number ?? 0)}`,
      `not-ok-to-mqtt ${nodeIdOf(day.wearers[NOT_OK]?.number ?? 0)}`,
      ...day.strangers.map((number) => `unmapped-node ${nodeIdOf(number)}`),
    ].toSorted(),
    'the operator reads why something does not arrive',
  )
  t.equal(why.find(({ code }) => code === 'undecryptable')?.count, 24)
})

/** What arrives within a minute arrives at once; between minutes everything is taken. */
async function play(host: MeshHost, publications: ReturnType<typeof meshDay>['publications']): Promise<void> {
  for (let i = 0; i < publications.length;) {
    const minute = Math.floor((publications[i]?.atMs ?? 0) / 60_000)
    const together: Promise<void>[] = []
    for (; i < publications.length && Math.floor((publications[i]?.atMs ?? 0) / 60_000) === minute; i++) {
      const { gatewayId, topic, payload, atMs } = publications[i] as (typeof publications)[number]
      together.push(host.send(gatewayId, topic, payload, atMs))
    }
    await Promise.all(together)
  }
}

function jsonOf(from: number): [topic: string, payload: string] {
  const packet = { from, to: -1, id: 77, sender: '!a0000009', timestamp: 0, channel: 0, type: 'text' }
  return ['msh/2/json/LongFast/!a0000009', JSON.stringify({ ...packet, payload: { text: 'hello' } })]
}

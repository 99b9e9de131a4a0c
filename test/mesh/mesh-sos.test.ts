import t from 'tap'
import type { Test } from 'tap'
import { askAgain } from '../support/ask-again.js'
import { temporaryDirectory } from '../support/broker.js'
import { alertOf, BEGIN, positionOf, published, radioSosOf } from '../support/mesh-gateway.js'
import { countOf, openMeshHost, registerDevice } from '../support/mesh-host.js'
import type { MeshHost, MeshHostOptions } from '../support/mesh-host.js'
import { startRedis } from '../support/redis.js'
import { countIn, reportNumber, user } from '../support/stores.js'

const alice = user('alice')
/** Her device, and the number that its node has up to firmware 2.7. */
const MAC = 'CF:82:11:22:33:44'
const NODE = 0x11223344
const STRANGER = 0x55667788

for (const kind of ['embedded', 'redis'] as const) {
  t.test(`with the ${kind} store`, async (t) => {
    await t.test('an SOS of a node opens its person’s incident: who heard it, and where', async (t) => {
      const host = await open(t, kind)
      await registerDevice(host.store, alice, MAC)
      await host.send('gw-1', ...published(positionOf(NODE, BEGIN, 41.4)), BEGIN + 500)
      await host.send('gw-1', ...published(alertOf(NODE, BEGIN + 60_000, 'SOS leg broken')), BEGIN + 61_000)
      const incident = await host.store.incidents.readOpen(alice)
      t.match(incident, {
        status: 'active',
        externalUserId: 'alice',
        isOwnReported: true,
        report: {
          source: 'gateway',
          triggerSource: 'mesh-alert',
          message: 'SOS leg broken',
          hardwareId: MAC,
          timestamp: '2026-05-01T10:01:00.000Z',
          position: { latitude: 41.4, longitude: 2, altitude: 120 },
          positionAt: '2026-05-01T10:00:00.000Z',
          fields: {
            mesh: {
              gatewayId: 'gw-1',
              heardBy: '!a1b2c3d4',
              node: '!11223344',
              channel: 'LongFast',
              hops: 1,
              rssi: -85,
              snr: 7.5,
              positionAgeS: 60,
            },
          },
        },
      })
      const [event, ...more] = await host.store.events.readLatest('demo-app', 9)
      t.match(event, { type: 'processed', userId: alice.userId, incidentId: incident?.incidentId })
      t.strictSame(more, [])
    })

    await t.test(
      'an SOS is raised without any position, and one of the phone’s is used when there is one',
      async (t) => {
        const host = await open(t, kind)
        await registerDevice(host.store, alice, MAC)
        const bob = user('bob')
        await registerDevice(host.store, bob, 'CF:82:00:00:00:09')
        await host.store.telemetry.append({
          ...bob,
          occurredAt: '2026-05-01T09:59:00+00:00',
          receivedAt: '2026-05-01T09:59:01.000Z',
          position: { latitude: 7, longitude: 8 },
          fields: {},
        })
        await host.send('gw-1', ...published(alertOf(NODE, BEGIN)), BEGIN)
        await host.send('gw-1', ...published(alertOf(9, BEGIN)), BEGIN)
        t.equal((await host.store.incidents.readOpen(alice))?.report.position, undefined)
        t.match((await host.store.incidents.readOpen(bob))?.report, {
          position: { latitude: 7, longitude: 8 },
          positionAt: '2026-05-01T09:59:00+00:00',
          fields: { mesh: { positionFrom: 'user', positionAgeS: 60 } },
        })
      },
    )

    await t.test('a call without a position takes away no newer one of the phone’s report', async (t) => {
      const host = await open(t, kind)
      await registerDevice(host.store, alice, MAC)
      await host.send('gw-1', ...published(positionOf(NODE, BEGIN - 600_000, 40)), BEGIN - 600_000)
      const at = { position: { latitude: 41, longitude: 2 }, positionAt: '2026-05-01T10:00:00.000Z' }
      await countIn(host.store, alice, reportNumber(0, at))
      await host.send('gw-1', ...published(alertOf(NODE, BEGIN + 5_000)), BEGIN + 6_000)
      const incident = await host.store.incidents.readOpen(alice)
      t.match(incident, { reports: 2, report: { ...at, triggerSource: 'mesh-alert' } })
      await host.send('gw-1', ...published(positionOf(NODE, BEGIN + 7_000, 42)), BEGIN + 8_000)
      await host.send('gw-1', ...published(alertOf(NODE, BEGIN + 9_000)), BEGIN + 9_000)
      t.match(await host.store.incidents.readOpen(alice), {
        reports: 3,
        report: { position: { latitude: 42 }, positionAt: '2026-05-01T10:00:07.000Z' },
      })
      const trail = await host.store.incidents.readTrail('demo-app', incident?.incidentId ?? '')
      t.strictSame(
        trail.map(({ occurredAt, position }) => [occurredAt, position.latitude]),
        [
          ['2026-05-01T10:00:00.000Z', 41],
          ['2026-05-01T10:00:07.000Z', 42],
          ['2026-05-01T10:00:07.000Z', 42],
        ],
        'a place is never dated later than somebody was there',
      )
    })

    await t.test(
      'every copy counts once, also after a restart, and after the incident was closed',
      async (t) => {
        const place = await placeOf(t, kind)
        const first = await openMeshHost(t, place)
        await registerDevice(first.store, alice, MAC)
        const call = alertOf(NODE, BEGIN)
        const radio = radioSosOf(NODE, BEGIN, { device: 0x1234, packetId: 5 })
        const gateways = ['!a1b2c3d4', '!a1b2c3d5', '!a1b2c3d6']
        const sendAll = async (host: MeshHost, at: number) => {
          for (const packet of [call, radio])
            await Promise.all(
              gateways.map((gateway) => host.send(gateway.slice(1), ...published(packet, { gateway }), at)),
            )
        }
        await sendAll(first, BEGIN + 1_000)
        const incident = await first.store.incidents.readOpen(alice)
        t.equal(incident?.reports, 2)
        await first.stop()

        const second = await openMeshHost(t, place)
        await sendAll(second, BEGIN + 20 * 60_000)
        t.strictSame(await second.store.incidents.readOpen(alice), incident)
        const changed = await second.store.incidents.change(alice, [], ({ openIncident }) => ({
          incident: { ...openIncident!, status: 'resolved', version: 9 },
          event: {
            ...alice,
            eventId: 'e',
            type: 'resolved',
            incidentId: incident!.incidentId,
            status: 'resolved',
            version: 9,
            at: incident!.updatedAt,
          },
          result: true,
        }))
        t.ok(changed)
        await sendAll(second, BEGIN + 40 * 60_000)
        t.equal(await second.store.incidents.readOpen(alice), null, 'an old packet opens no new incident')
        await second.send('gw-1', ...published(alertOf(NODE, BEGIN + 41 * 60_000)), BEGIN + 41 * 60_000)
        t.match(await second.store.incidents.readOpen(alice), { reports: 1 }, 'a new one does')
      },
    )

    await t.test('an SOS that took hours is raised and says so', async (t) => {
      const host = await open(t, kind)
      await registerDevice(host.store, alice, MAC)
      await host.send('gw-1', ...published(alertOf(NODE, BEGIN)), BEGIN + 8 * 3_600_000)
      t.match(await host.store.incidents.readOpen(alice), {
        report: { timestamp: '2026-05-01T10:00:00.000Z', fields: { mesh: { late: true } } },
      })
    })

    await t.test('a relayed SOS is never its relayer’s', async (t) => {
      const host = await open(t, kind)
      await registerDevice(host.store, alice, MAC)
      const bob = user('bob')
      await registerDevice(host.store, bob, 'bobs band')
      const relayed = () => radioSosOf(NODE, BEGIN, { device: 0x2001, relays: 1, packetId: 3 })
      await host.send('gw-1', ...published(relayed()), BEGIN)
      t.equal(await host.store.incidents.readOpen(alice), null)
      const { entries } = await host.store.incidents.readAll('demo-app', 'open-unattributed', 9, undefined)
      t.match(entries, [{ unattributed: { sender: 'radio:8193', why: 'unmapped' } }])
      await host.mesh.nodes.change('demo-app', '!00002001', () => ({
        hardwareId: 'bobs band',
        radioId: 0x2001,
      }))
      await host.send('gw-1', ...published(relayed()), BEGIN)
      t.match(await host.store.incidents.readOpen(bob), { report: { hardwareId: 'bobs band' } })
    })

    await t.test(
      'above its rate only an open incident takes no more; without one every call counts',
      async (t) => {
        const host = await open(t, kind)
        await registerDevice(host.store, alice, MAC)
        for (let i = 0; i < 20; i++)
          await host.send('gw-1', ...published(alertOf(NODE, BEGIN + i)), BEGIN + i)
        t.equal((await host.store.incidents.readOpen(alice))?.reports, 7)
        t.equal(await countOf(host, 'sos-rate'), 13)
        await host.send('gw-1', ...published(alertOf(NODE, BEGIN)), BEGIN + 60_000)
        t.equal((await host.store.incidents.readOpen(alice))?.reports, 8)
      },
    )
  })
}

t.test('an SOS of nobody that is known is an alert, durable and once, with where its node was', async (t) => {
  const directory = temporaryDirectory(t)
  const first = await openMeshHost(t, { directory })
  const call = published(alertOf(STRANGER, BEGIN, 'help'))
  await first.send('gw-1', ...published(positionOf(STRANGER, BEGIN - 30_000, 47)), BEGIN - 29_000)
  await first.send('gw-1', ...call, BEGIN)
  await first.stop()
  const second = await openMeshHost(t, { directory })
  await second.send('gw-2', ...call, BEGIN + 1_000)
  const { entries } = await second.store.incidents.readAll('demo-app', 'open-unattributed', 9, undefined)
  t.equal(entries.length, 1)
  t.match(entries[0], {
    reports: 1,
    externalUserId: '',
    unattributed: { sender: '!55667788', why: 'unmapped' },
    report: {
      message: 'help',
      position: { latitude: 47 },
      fields: { mesh: { gatewayId: 'gw-1', positionFrom: 'node', positionAgeS: 30 } },
    },
  })
  t.strictSame((await second.store.incidents.readAll('demo-app', 'all', 9, undefined)).entries, [])
  t.match(await second.store.events.readLatest('demo-app', 9), [
    { type: 'processed', unattributed: { sender: '!55667788' } },
  ])
  t.equal(
    (await second.store.telemetry.readLatest('demo-app', 9)).length,
    0,
    'a stranger’s positions are not kept',
  )
  t.equal(await countOf(first, 'alert'), 1)
  t.equal(await countOf(second, 'copy'), 1)
})

t.test('senders that are made up share an alert, and those that were there before keep theirs', async (t) => {
  const host = await openMeshHost(t)
  for (let i = 0; i < 100; i++)
    await host.send('gw-1', ...published(alertOf(0x100 + i, BEGIN, `n${i}`)), BEGIN + i)
  await host.send('gw-1', ...published(alertOf(0x100, BEGIN, 'again')), BEGIN + 200)
  const { entries } = await host.store.incidents.readAll('demo-app', 'open-unattributed', 200, undefined)
  t.equal(entries.length, 61)
  const shared = entries.find(({ unattributed }) => unattributed?.sender === '*')
  t.match(shared, { reports: 40, report: { message: 'n99', fields: { mesh: { node: '!00000163' } } } })
  const first = entries.find(({ unattributed }) => unattributed?.sender === '!00000100')
  t.match(first, { reports: 2, report: { message: 'again' } })
})

t.test(
  'while Redis is away calls wait on this machine’s disk, whether it is known whose they are or not',
  async (t) => {
    const redis = await startRedis(t)
    const host = await openMeshHost(t, { redisUrl: redis.url, storeTimeoutMs: 500 })
    await registerDevice(host.store, alice, MAC)
    const bob = user('bob')
    await registerDevice(host.store, bob, 'CF:82:00:00:00:09')
    await host.send('gw-1', ...published(positionOf(NODE, BEGIN, 41.4)), BEGIN)
    await redis.stop('SIGKILL')
    const calls = [NODE, 9, STRANGER].map((from) => published(alertOf(from, BEGIN + 1_000, `from ${from}`)))
    await Promise.all(calls.map((call) => host.send('gw-1', ...call, BEGIN + 2_000)))
    await Promise.all(calls.map((call) => host.send('gw-2', ...call, BEGIN + 2_000)))
    await host.send('gw-1', ...published(positionOf(NODE, BEGIN + 3_000, 41.5)), BEGIN + 3_000)
    await host.send('gw-1', ...published(positionOf(0x1234, BEGIN, 41.5)), BEGIN + 3_000)
    t.equal(await countOf(host, 'owner-unknown'), 1, 'no reason to send a gateway away')
    await redis.start()
    while ((await entriesOf(host)) > 0) await askAgain()
    t.match(await host.store.incidents.readOpen(alice), {
      reports: 1,
      report: { message: `from ${NODE}`, position: { latitude: 41.4 } },
    })
    t.match(await host.store.incidents.readOpen(bob), { reports: 1, report: { message: 'from 9' } })
    const alerts = await host.store.incidents.readAll('demo-app', 'open-unattributed', 9, undefined)
    t.match(alerts.entries, [{ reports: 1, unattributed: { sender: '!55667788' } }])
    t.equal((await host.store.events.readLatest('demo-app', 9)).length, 3)
    const kept = await host.store.telemetry.readLatest('demo-app', 9)
    t.strictSame(
      kept.map(({ position, isHistory = false }) => [position?.latitude, isHistory]),
      [
        [41.5, true],
        [41.4, false],
      ],
    )
  },
)

t.test('without store and journal it is not taken, and the next copy is', async (t) => {
  const host = await openMeshHost(t)
  await registerDevice(host.store, alice, MAC)
  const { change } = host.store.incidents
  const call = published(alertOf(NODE, BEGIN))
  host.store.incidents.change = () => Promise.reject(new Error('disk full'))
  await t.rejects(host.send('gw-1', ...call, BEGIN), { message: 'disk full' })
  host.store.incidents.change = change
  await host.send('gw-2', ...call, BEGIN)
  t.match(await host.store.incidents.readOpen(alice), { reports: 1 })
})

/** What the journal holds. */
async function entriesOf({ metrics }: MeshHost): Promise<number> {
  const { values } = await metrics.journalEntries.get()
  return values.reduce((sum, { value }) => sum + value, 0)
}

async function placeOf(t: Test, kind: 'embedded' | 'redis'): Promise<MeshHostOptions> {
  const directory = temporaryDirectory(t)
  return kind === 'embedded' ? { directory } : { directory, redisUrl: (await startRedis(t)).url }
}

async function open(t: Test, kind: 'embedded' | 'redis'): Promise<MeshHost> {
  return openMeshHost(t, await placeOf(t, kind))
}

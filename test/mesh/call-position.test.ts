import t from 'tap'
import { alertOf, BEGIN, positionOf, published, radioSosOf } from '../support/mesh-gateway.js'
import { openMeshHost, registerDevice } from '../support/mesh-host.js'
import { user } from '../support/stores.js'

const alice = user('alice')
const NODE = 0x11223344
const RIDGE = { latitude: 41.38258, longitude: 2.17684, altitude: 120 }

t.test('which position an incident has of several calls', async (t) => {
  const host = await openMeshHost(t)
  await registerDevice(host.store, alice, 'CF:82:11:22:33:44')
  await host.send('gw-1', ...published(positionOf(NODE, BEGIN, 41)), BEGIN)
  await host.send('gw-1', ...published(alertOf(NODE, BEGIN)), BEGIN)
  const placeNow = async () => (await host.store.incidents.readOpen(alice))?.report.position?.latitude ?? 0
  t.equal((await placeNow()).toFixed(4), '41.0000', 'a call without one has the last that was heard')

  const call = (atMs: number, packetId: number) =>
    host.send('gw-1', ...published(radioSosOf(NODE, atMs, { device: 1, position: RIDGE, packetId })), atMs)
  await call(BEGIN, 1)
  t.equal((await placeNow()).toFixed(4), '41.3826', 'what a call carries itself counts in the same second')

  await host.send('gw-1', ...published(positionOf(NODE, BEGIN + 60_000, 42)), BEGIN + 60_000)
  await host.send('gw-1', ...published(alertOf(NODE, BEGIN + 60_000)), BEGIN + 60_000)
  await call(BEGIN + 30_000, 2)
  t.equal((await placeNow()).toFixed(4), '42.0000', 'an older one of another call does not')
  const [latest] = await host.store.events.readLatest('demo-app', 1)
  t.match(latest, {
    report: { fields: { mesh: { olderPosition: { altitude: 120, at: '2026-05-01T10:00:30.000Z' } } } },
  })
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { backendOf, connectPhone, register, sdkOf } from '../support/api.js'
import type { Answer } from '../support/api.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import {
  alertOf,
  BEGIN,
  nodeInfoOf,
  positionOf,
  published,
  radioCancelOf,
  radioSosOf,
} from '../support/mesh-gateway.js'
import { MESH_APP, openMeshHost } from '../support/mesh-host.js'
import { startRedis } from '../support/redis.js'

interface AlertJson extends Record<string, unknown> {
  id: string
  state: string
  sender: string
  reports: number
}

const NODE = 0x11223344
const RADIO_ID = 0x1234

t.test('calls of the mesh over HTTP, while another broker on the same Redis hears it', async (t) => {
  const redis = await startRedis(t)
  const appsFile = join(temporaryDirectory(t), 'apps.json')
  writeFileSync(appsFile, JSON.stringify({ apps: [MESH_APP, { appId: 'app-b', secrets: ['secret of b'] }] }))
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url, APPS_FILE: appsFile } })
  const host = await openMeshHost(t, { redisUrl: redis.url })
  const backend = backendOf(broker, 'demo-app', 'a secret')
  const alertsOf = ({ body }: Answer) => (body as unknown as { alerts: AlertJson[] }).alerts
  const hear = (packet: Parameters<typeof published>[0]) => host.send('gw-1', ...published(packet), BEGIN)

  await t.test('an SOS of nobody is an alert until the backend closes it', async (t) => {
    await hear(nodeInfoOf(0x55667788, { longName: 'Unit 7' }))
    await hear(positionOf(0x55667788, BEGIN - 60_000, 47.5))
    await hear(alertOf(0x55667788, BEGIN, 'SOS ice'))
    await hear(alertOf(0x99999999, BEGIN))
    const list = await backend.get('/alerts')
    t.equal(list.status, 200)
    const [newest, alert] = alertsOf(list)
    t.match(newest, { sender: '!99999999' })
    t.match(alert, {
      state: 'active',
      sender: '!55667788',
      name: 'Unit 7',
      why: 'unmapped',
      message: 'SOS ice',
      latitude: 47.5,
      positionAt: '2026-05-01T09:59:00.000Z',
      fields: { mesh: { gatewayId: 'gw-1', heardBy: '!a1b2c3d4' } },
    })
    t.notOk('user' in alert!)
    t.strictSame((await backend.get('/incidents?state=all')).body.incidents, [])
    t.strictSame(alertsOf(await backendOf(broker, 'app-b', 'secret of b').get('/alerts?state=all')), [])
    const { id } = alert!
    t.equal((await backendOf(broker, 'app-b', 'secret of b').post(`/alerts/${id}/resolve`)).status, 404)

    t.match((await backend.post(`/alerts/${id}/acknowledge`, { by: 'desk 3' })).body, {
      alert: { state: 'acknowledged' },
    })
    await hear(alertOf(0x55667788, BEGIN + 1_000, 'SOS again'))
    t.match((await backend.get(`/alerts/${id}`)).body, {
      alert: { state: 'acknowledged', reports: 2, message: 'SOS again' },
      trail: [{ latitude: 47.5, occurredAt: '2026-05-01T09:59:00.000Z' }],
    })
    t.match((await backend.post(`/alerts/${id}/resolve`, { note: 'found' })).body, {
      alert: { state: 'resolved' },
    })
    t.equal((await backend.post(`/alerts/${id}/acknowledge`)).status, 404)
    t.equal((await backend.post('/alerts/none/cancel')).status, 404)
    t.strictSame(
      alertsOf(await backend.get('/alerts')).map(({ sender }) => sender),
      ['!99999999'],
    )
    t.equal(alertsOf(await backend.get('/alerts?state=all')).length, 2)
    await hear(alertOf(0x55667788, BEGIN + 2_000))
    t.match(
      alertsOf(await backend.get('/alerts'))[0],
      { sender: '!55667788', reports: 1 },
      'a new call, a new alert',
    )
    await backend.put('/nodes/!99999999', { hardwareId: 'band of zoe' })
    t.equal(alertsOf(await backend.get('/alerts')).length, 2, 'an alert stays until somebody closes it')
  })

  await t.test('the event log tells of it, with whom it is about', async (t) => {
    const log = await logOf()
    t.match(
      log.filter(({ unattributed }) => (unattributed as { sender?: string })?.sender === '!55667788'),
      [{ type: 'processed' }, { type: 'processed' }, { type: 'processed' }],
    )
    t.match(
      log.map(({ type }) => type),
      ['processed', 'processed', 'acknowledged', 'processed', 'resolved', 'processed'],
    )
  })

  await t.test(
    'the owner’s phone hears of his wearable’s SOS; a cancel by radio is recorded and closes nothing',
    async (t) => {
      const login = broker.credentials('alice')
      await register(sdkOf(broker, login), 'CF:82:11:22:33:44')
      const phone = await connectPhone(t, broker, login)
      await hear(
        radioSosOf(NODE, BEGIN, { device: RADIO_ID, position: { latitude: 41, longitude: 2, altitude: 80 } }),
      )
      const opened = await phone.next()
      t.match(opened, { type: 'processed', occurredAt: '2026-05-01T10:00:00.000Z' })
      const cancel = radioCancelOf(NODE, BEGIN + 60_000, RADIO_ID)
      await hear(cancel)
      await host.send('gw-2', ...published(cancel, { gateway: '!00000002' }), BEGIN + 1)
      const { body } = await backend.get(`/incidents/${opened.incidentId}`)
      t.match(body.incident, {
        state: 'active',
        reports: 1,
        fields: { mesh: { radio: { device: RADIO_ID, sosType: 1 } } },
        cancelHeard: { by: 'user', becomes: 'resolved', sender: '!11223344', gatewayId: 'gw-1' },
      })
      await backend.post(`/incidents/${opened.incidentId}/resolve`)
      t.match(await phone.next(), { type: 'resolved' }, 'the phone knows of no such event')
      const cancels = (await logOf()).filter(({ type }) => type === 'cancel-heard')
      t.match(cancels, [
        { incidentId: opened.incidentId, status: 'active', cancelHeard: { sender: '!11223344' } },
      ])
      t.equal(cancels.length, 1)
    },
  )

  await t.test(
    'where the app lets it, a cancel closes: of a wearable that is named beyond doubt',
    async (t) => {
      const mesh = { ...MESH_APP.mesh, cancelCloses: true }
      const lenient = await openMeshHost(t, { redisUrl: redis.url, app: { ...MESH_APP, mesh } })
      const send = (packet: Parameters<typeof published>[0]) =>
        lenient.send('gw-1', ...published(packet), BEGIN)
      const stateOf = async () =>
        (await sdkOf(broker, broker.credentials('alice')).get('/sos')).body.incident?.state
      await send(radioSosOf(NODE, BEGIN, { device: RADIO_ID, packetId: 1 }))
      await send(radioCancelOf(NODE, BEGIN + 2_000, RADIO_ID))
      t.equal(await stateOf(), 'active', 'its sender may have passed on what another said')
      await backend.put('/nodes/!11223344', { hardwareId: 'CF:82:11:22:33:44', radioId: RADIO_ID })
      await lenient.mesh.nodes.refresh('demo-app')
      await send(radioCancelOf(NODE, BEGIN + 3_000, 0x4321))
      t.equal(await stateOf(), 'active', 'another wearable’s')
      await send(radioCancelOf(NODE, BEGIN + 4_000, RADIO_ID))
      t.equal(await stateOf(), undefined)
      t.match((await logOf()).at(-1), { type: 'resolved', by: 'wearable !11223344' })
    },
  )

  async function logOf() {
    const { body } = await backend.get('/events?limit=500')
    return body.events ?? []
  }
})

import t from 'tap'
import { backendOf, connectPhone, register, sdkOf } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import { connectGateway, makeGateway, writeMeshApps } from '../support/gateways.js'
import { positionOf, published } from '../support/mesh-gateway.js'
import { startRedis } from '../support/redis.js'

const MAC = 'CF:82:11:22:33:44'
const NODE = 0x11223344
const MINUTE = 60_000

for (const kind of ['embedded', 'redis'] as const) {
  t.test(`${kind}: what a gateway brings never takes the place of a fresher fix of the phone`, async (t) => {
    const redis = kind === 'redis' ? { REDIS_URL: (await startRedis(t)).url } : {}
    const broker = await startBroker(t, { env: { APPS_FILE: writeMeshApps(t), ...redis } })
    const { get, put } = backendOf(broker)
    const credentials = broker.credentials('nina', 'app-a')
    await register(sdkOf(broker, credentials), MAC)
    t.equal((await put('/nodes/!11223344', { hardwareId: MAC })).status, 200)
    const latitudeNow = async () =>
      (JSON.parse((await get('/users/nina')).text) as { position: { latitude: number } | null }).position
        ?.latitude
    const gateway = await connectGateway(t, broker, await makeGateway(broker, 'roof'))
    const heard = (atMs: number, latitude: number) =>
      gateway.publish(...published(positionOf(NODE, atMs, latitude)))
    const phone = await connectPhone(t, broker, credentials)

    const now = Date.now()
    await heard(now - 2 * MINUTE, 1)
    t.equal(await latitudeNow(), 1)
    await phone.telemetry({
      timestamp: new Date(now - MINUTE / 2).toISOString(),
      latitude: 2,
      longitude: 2,
    })
    t.equal(await latitudeNow(), 2)
    await heard(now - MINUTE, 3)
    t.equal(await latitudeNow(), 2, 'a position from before it is history')
    await heard(now, 4)
    t.equal(await latitudeNow(), 4, 'a newer one is where she is now')
  })
}

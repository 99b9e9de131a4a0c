import t from 'tap'
import type { Broker } from '../support/broker.js'
import { backendOf, connectPhone, register, sdkOf, sosReport, startNodes } from '../support/api.js'

const MAC = 'CF:82:00:00:00:0B'

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test("a node number means a device once its owner's session has named both", async (t) => {
      const named = {
        'an SOS by MQTT with hardwareId and deviceId': async (owner: string, number: string) => {
          const phone = await connectPhone(t, one, one.credentials(owner, 'app-a'))
          await phone.report({ hardwareId: macOf(owner).toLowerCase(), deviceId: number })
        },
        'an SOS by HTTP with hardwareId and nodeId': async (owner: string, number: string) => {
          const sdk = sdkOf(one, one.credentials(owner, 'app-a'))
          await sdk.post('/sos', sosReport({ hardwareId: macOf(owner), nodeId: Number(number) }))
        },
        'telemetry by MQTT with hardwareId and deviceId': async (owner: string, number: string) => {
          const phone = await connectPhone(t, one, one.credentials(owner, 'app-a'))
          await phone.telemetry({ hardwareId: macOf(owner), deviceId: number, identitySource: 'ble_node' })
        },
        'telemetry by HTTP with hardwareId and nodeId': async (owner: string, number: string) => {
          const sdk = sdkOf(one, one.credentials(owner, 'app-a'))
          await sdk.post('/telemetry', sosReport({ hardwareId: macOf(owner), nodeId: Number(number) }))
        },
      }
      for (const [i, [title, name]] of Object.entries(named).entries()) {
        await t.test(title, async (t) => {
          const owner = `owner-${i}`
          const number = String(1000 + i)
          const sdk = sdkOf(one, one.credentials(owner, 'app-a'))
          await register(sdk, macOf(owner))
          const helper = sdkOf(two, two.credentials('helper', 'app-a'))
          const before = await helper.post('/sos', sosReport({ deviceId: number }))
          t.equal(before.status, 422, 'unknown before')
          await name(owner, number)
          await register(sdk, macOf(owner)) // a change of the same record: the alias is written
          const after = await helper.post('/sos', sosReport({ deviceId: number }))
          t.equal(after.status, 200, 'known after')
          t.equal((await sdk.get('/sos')).body.incident?.id, after.body.incident?.id)
        })
      }
    })

    await t.test("a stranger's session teaches no alias of somebody's device", async (t) => {
      const openBefore = (await openIncidentsOf(one)).length
      const owner = sdkOf(one, one.credentials('owner', 'app-a'))
      const stranger = sdkOf(two, two.credentials('stranger', 'app-a'))
      await register(owner, MAC)
      const pair = { hardwareId: MAC, deviceId: '4242', nodeId: 4243, originatorNodeId: 4244 }
      const phone = await connectPhone(t, two, two.credentials('stranger', 'app-a'))
      await phone.report(pair)
      await phone.telemetry(pair)
      t.equal((await stranger.post('/sos', sosReport(pair))).status, 200)
      t.equal((await stranger.post('/telemetry', sosReport(pair))).status, 200)
      await register(stranger, 'CF:82:00:00:00:0C') // both records have been changed since
      await register(owner, MAC)
      for (const deviceId of ['4242', '4243', '4244']) {
        const { status, body } = await stranger.post('/sos', sosReport({ deviceId }))
        t.match({ status, code: body.error?.code }, { status: 422, code: 'validation_error' })
      }
      t.equal((await openIncidentsOf(one)).length, openBefore + 1, 'the relays by MAC made the only incident')
    })

    await t.test('an alias goes with its device', async (t) => {
      const owner = sdkOf(one, one.credentials('owner-of-5150', 'app-a'))
      const mac = 'CF:82:00:00:00:0D'
      const helper = sdkOf(two, two.credentials('helper', 'app-a'))
      const deviceId = await register(owner, mac)
      await owner.post('/sos', sosReport({ hardwareId: mac, deviceId: '5150' }))
      await register(owner, mac)
      t.equal((await helper.post('/sos', sosReport({ deviceId: '5150' }))).status, 200)
      t.equal((await owner.delete(`/devices/${deviceId}`)).status, 204)
      for (const name of ['5150', mac])
        t.equal((await helper.post('/sos', sosReport({ deviceId: name }))).status, 422)
    })
  })
}

function macOf(owner: string): string {
  return `CF:82:00:00:01:${Buffer.from(owner.slice(-1)).toString('hex').toUpperCase()}`
}

async function openIncidentsOf(broker: Broker) {
  return (await backendOf(broker).get('/incidents')).body.incidents ?? []
}

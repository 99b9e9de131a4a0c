import t from 'tap'
import { withBothStores } from '../support/both-stores.js'
import { createPhone } from '../support/http.js'
import { readDevice, readDevices, readError, readIncident, readNothing } from '../support/sdk-reader.js'

const MAC = 'CF:82:00:00:00:01'
const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'
const DEVICE = {
  hardware_id: MAC,
  firmware_version: '1.4.0',
  hardware_model: 'R1',
  paired_at: '2026-04-01T08:00:00.123456Z',
}

t.test('the devices of a user', (t) =>
  withBothStores(t, async (t, { broker }) => {
    t.test('contract 9: POST devices is 200 also on create and gives back every field', async (t) => {
      const phone = createPhone(broker, broker.credentials('ann'))
      t.strictSame(readDevices(await phone.get('/v1/sdk/devices')), [])
      const device = readDevice(await phone.post('/v1/sdk/devices', DEVICE))
      t.match(device, DEVICE)
      t.equal(device.created_at, device.updated_at)
      t.strictSame(readDevices(await phone.get('/v1/sdk/devices')), [device])
    })

    t.test('contract 9: the same hardware_id updates the device and keeps its first paired_at', async (t) => {
      const phone = createPhone(broker, broker.credentials('bo'))
      const first = readDevice(await phone.post('/v1/sdk/devices', DEVICE))
      const second = readDevice(
        await phone.post('/v1/sdk/devices', {
          hardware_id: MAC,
          firmware_version: '2.0.0',
          hardware_model: 'R2',
          paired_at: '2026-05-05T08:00:00Z',
        }),
      )
      t.match(second, {
        id: first.id,
        firmware_version: '2.0.0',
        hardware_model: 'R2',
        paired_at: DEVICE.paired_at,
        created_at: first.created_at,
      })
      t.ok(second.updated_at >= first.updated_at)
      t.equal(readDevices(await phone.get('/v1/sdk/devices')).length, 1)
    })

    for (const unset of ['', null, undefined]) {
      t.test(`contract 9: firmware ${JSON.stringify(unset)} does not overwrite a known one`, async (t) => {
        const phone = createPhone(broker, broker.credentials(`firmware ${JSON.stringify(unset)}`))
        await phone.post('/v1/sdk/devices', DEVICE)
        const input = { hardware_id: MAC, firmware_version: unset, hardware_model: unset, paired_at: unset }
        t.match(readDevice(await phone.post('/v1/sdk/devices', input)), DEVICE)
      })
    }

    t.test('a device of which only the hardware_id is known has strings and a paired_at', async (t) => {
      const phone = createPhone(broker, broker.credentials('cy'))
      const device = readDevice(await phone.post('/v1/sdk/devices', { hardware_id: '3735928559' }))
      t.match(device, { firmware_version: '', hardware_model: '', paired_at: device.created_at })
    })

    t.test('a paired_at that is no time is not given back to clients that parse it', async (t) => {
      const phone = createPhone(broker, broker.credentials('cy 2'))
      const answer = await phone.post('/v1/sdk/devices', { hardware_id: MAC, paired_at: 'last spring' })
      if (answer.status === 400) t.match(readError(answer, 400).message, /^paired_at: /)
      else t.equal(readDevice(answer).hardware_id, MAC)
    })

    t.test('contract 10: MACs are one device in any case and are echoed as sent', async (t) => {
      const phone = createPhone(broker, broker.credentials('di'))
      const upper = readDevice(await phone.post('/v1/sdk/devices', { hardware_id: 'CF:82:AA:00:00:02' }))
      const lower = readDevice(await phone.post('/v1/sdk/devices', { hardware_id: 'cf:82:aa:00:00:02' }))
      t.equal(lower.id, upper.id)
      t.equal(lower.hardware_id, 'cf:82:aa:00:00:02')
    })

    t.test('contract 10: every other hardware id is compared exactly', async (t) => {
      const phone = createPhone(broker, broker.credentials('ed'))
      const ids = [
        'Meshtastic_1aa8',
        'meshtastic_1aa8',
        'CF82AA000002',
        'cf82aa000002',
        '__proto__',
        ' x',
        'x',
      ]
      for (const hardware_id of ids) {
        t.equal(readDevice(await phone.post('/v1/sdk/devices', { hardware_id })).hardware_id, hardware_id)
      }
      t.strictSame(
        readDevices(await phone.get('/v1/sdk/devices')).map((device) => device.hardware_id),
        ids,
        'one each, in the order of their registration',
      )
    })

    t.test('contract 9: DELETE is 204, and the next one 404', async (t) => {
      const phone = createPhone(broker, broker.credentials('fe'))
      const { id } = readDevice(await phone.post('/v1/sdk/devices', DEVICE))
      readNothing(await phone.delete(`/v1/sdk/devices/${id}`))
      t.strictSame(readDevices(await phone.get('/v1/sdk/devices')), [])
      readError(await phone.delete(`/v1/sdk/devices/${id}`), 404)
    })

    t.test('the id of somebody else’s device is answered as an unknown one', async (t) => {
      const owner = createPhone(broker, broker.credentials('gil'))
      const thief = createPhone(broker, broker.credentials('hal'))
      const { id } = readDevice(await owner.post('/v1/sdk/devices', DEVICE))
      const [other, ...unknown] = await Promise.all(
        [id, UNKNOWN_ID, '__proto__', 'constructor', 'none'].map((name) =>
          thief.delete(`/v1/sdk/devices/${name}`),
        ),
      )
      for (const answer of unknown) {
        readError(answer, 404)
        t.equal(answer.text, other?.text)
      }
      t.equal(readDevices(await owner.get('/v1/sdk/devices')).length, 1)
    })

    t.test('a user has at most 50 devices, and an update is no new one', async (t) => {
      const phone = createPhone(broker, broker.credentials('ida'))
      for (let batch = 0; batch < 5; batch++) {
        const ten = Array.from({ length: 10 }, (_, i) => ({ hardware_id: `node ${batch * 10 + i}` }))
        const answers = await Promise.all(ten.map((input) => phone.post('/v1/sdk/devices', input)))
        t.strictSame(answers.map(readDevice).length, 10)
      }
      const refusal = readError(await phone.post('/v1/sdk/devices', { hardware_id: 'one more' }), 422)
      t.strictSame([refusal.code, /^devices: .*50/.test(refusal.message)], ['validation_error', true])
      const updated = { hardware_id: 'node 7', firmware_version: '9' }
      t.match(readDevice(await phone.post('/v1/sdk/devices', updated)), updated)
      t.equal(readDevices(await phone.get('/v1/sdk/devices')).length, 50)
    })

    for (const [field, input] of [
      ['hardware_id', {}],
      ['hardware_id', { hardware_id: '  ' }],
      ['hardware_id', { hardware_id: 7 }],
      ['hardware_id', { hardware_id: 'x'.repeat(129) }],
      ['hardware_id', { hardware_id: 'a\u0000b' }],
      ['hardware_id', { hardware_id: null }],
      ['firmware_version', { hardware_id: MAC, firmware_version: 'x'.repeat(65) }],
      ['hardware_model', { hardware_id: MAC, hardware_model: 5 }],
    ] as const) {
      const shown = JSON.stringify(input).slice(0, 60)
      t.test(`a device with a bad ${field} is 400 and names it: ${shown}`, async (t) => {
        const phone = createPhone(broker, broker.credentials('jo'))
        const { message } = readError(await phone.post('/v1/sdk/devices', input), 400)
        t.match(message, new RegExp(`^${field}: `))
        t.strictSame(readDevices(await phone.get('/v1/sdk/devices')), [])
      })
    }

    t.test('a removed device is nobody’s: an SOS that names it is 422', async (t) => {
      const phone = createPhone(broker, broker.credentials('kim'))
      const report = { timestamp: '2026-05-01T10:00:00.123Z', deviceId: 'cf:82:00:00:00:03' }
      const { id } = readDevice(await phone.post('/v1/sdk/devices', { hardware_id: 'CF:82:00:00:00:03' }))
      t.equal(readIncident(await phone.post('/v1/sdk/sos', report)).deviceId, 'cf:82:00:00:00:03')
      readNothing(await phone.delete(`/v1/sdk/devices/${id}`))
      t.equal(readError(await phone.post('/v1/sdk/sos', report), 422).code, 'validation_error')
    })
  }),
)

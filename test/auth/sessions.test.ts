import { join } from 'node:path'
import t from 'tap'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import type { Credentials } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import type { Phone, Version } from '../support/phone.js'
import { writeApps } from '../support/stored.js'

const directory = temporaryDirectory(t)
writeApps(join(directory, 'apps.json'), [
  { appId: 'demo-app', secrets: ['one'] },
  { appId: 'other-app', secrets: ['two'] },
])
const broker = await startBroker(t, { dataDir: directory })
const { mqtt } = broker.ports

/** Every one of them still sends and still hears its own events. */
async function checkUndisturbed(t: Tap, phones: Phone[], second: number): Promise<void> {
  for (const [i, phone] of phones.entries()) {
    const occurredAt = `2026-05-01T10:${String(second).padStart(2, '0')}:${String(i).padStart(2, '0')}.000Z`
    t.equal(await phone.publish('sos/alerts', { timestamp: occurredAt }), 0)
    const listeners = phones.filter(({ user }) => user.userId === phone.user.userId)
    for (const listener of listeners) {
      const { event } = await listener.nextEvent()
      t.match(event, { occurredAt, userId: phone.user.userId, appId: phone.user.appId })
    }
  }
}
type Tap = Parameters<typeof connectPhone>[0]

for (const version of [4, 5] as Version[]) {
  const cases: [string, Credentials[]][] = [
    ['two users of one app', [broker.credentials('user.1'), broker.credentials('user/1')]],
    ['one external id in two apps', [broker.credentials('dora'), broker.credentials('dora', 'other-app')]],
    ['one user on two phones', [broker.credentials('emil'), broker.credentials('emil')]],
  ]
  for (const [i, [who, credentials]] of cases.entries()) {
    t.test(
      `contract 2: ${who} with one client identifier do not disturb each other, version ${version}`,
      async (t) => {
        const phones: Phone[] = []
        for (const one of credentials) {
          const phone = await connectPhone(t, mqtt, one, { version, clientId: 'eixam_demo-app_user_1' })
          t.same(await phone.subscribe(phone.uuidTopic), [1])
          phones.push(phone)
        }
        await checkUndisturbed(t, phones, version * 10 + i)
      },
    )
  }

  t.test(
    `contract 2: the fifth session of a user ends the oldest, with 0x8E in 5.0, version ${version}`,
    async (t) => {
      const bystander = await connectPhone(t, mqtt, broker.credentials('fay', 'other-app'), {
        clientId: 'same',
      })
      await bystander.subscribe(bystander.uuidTopic)
      const phones: Phone[] = []
      for (let i = 0; i < 5; i++) {
        const phone = await connectPhone(t, mqtt, broker.credentials('fay'), { version, clientId: 'same' })
        await phone.subscribe(phone.uuidTopic)
        phones.push(phone)
      }
      const [oldest, ...others] = phones as [Phone, ...Phone[]]
      const disconnect = await oldest.closed()
      if (version === 5) t.match(disconnect, { cmd: 'disconnect', reasonCode: 0x8e })
      else t.equal(disconnect, undefined, '3.1.1 has no word for it')
      await checkUndisturbed(t, [...others, bystander], 30 + version)
      t.ok(await broker.logged(({ msg }) => msg === 'session gives way to a newer one'))
    },
  )
}

t.test('contract 2: SESSIONS_PER_USER 1 is the take-over of plain brokers, within one user', async (t) => {
  const single = await startBroker(t, { env: { SESSIONS_PER_USER: '1' } })
  const other = await connectPhone(t, single.ports.mqtt, single.credentials('hal'), { clientId: 'same' })
  const first = await connectPhone(t, single.ports.mqtt, single.credentials('gil'), { clientId: 'one' })
  const second = await connectPhone(t, single.ports.mqtt, single.credentials('gil'), { clientId: 'two' })
  t.match(await first.closed(), { reasonCode: 0x8e })
  for (const phone of [second, other]) await phone.subscribe(phone.uuidTopic)
  await checkUndisturbed(t, [second, other], 40)
})

t.test('contract 2: a session that left makes room, so the next one ends nobody', async (t) => {
  const credentials = broker.credentials('ivy')
  const phones: Phone[] = []
  for (let i = 0; i < 4; i++) phones.push(await connectPhone(t, mqtt, credentials))
  const [leaving, ...staying] = phones as [Phone, ...Phone[]]
  leaving.raw.sendPacket({ cmd: 'disconnect', reasonCode: 0 })
  await leaving.closed()
  const late = await connectPhone(t, mqtt, credentials)
  for (const phone of [...staying, late]) await phone.subscribe(phone.uuidTopic)
  await checkUndisturbed(t, [...staying, late], 50)
})

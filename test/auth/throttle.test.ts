import t from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker, Credentials } from '../support/broker.js'
import { codeOf, connectPhone, refusedConnack } from '../support/phone.js'
import type { Version } from '../support/phone.js'

const wrong = 'f'.repeat(64)

async function refusal(
  t: Tap,
  broker: Broker,
  credentials: Pick<Credentials, 'username' | 'password'>,
  version: Version = 5,
) {
  const { username, password } = credentials
  return codeOf(
    await refusedConnack(t, broker.ports.mqtt, {
      protocolVersion: version,
      username,
      password: Buffer.from(password),
    }),
  )
}
type Tap = Parameters<typeof refusedConnack>[0]

t.test(
  'design 4: an identity with too many failures is refused with 0x9F, also with the right hash',
  async (t) => {
    const broker = await startBroker(t, { env: { LIMIT_LOOPBACK: 'true', LOGIN_FAILURES_PER_IDENTITY: '3' } })
    const alice = broker.credentials('alice')
    const erin = broker.credentials('erin')
    const before = await connectPhone(t, broker.ports.mqtt, erin)
    for (let i = 0; i < 3; i++) t.equal(await refusal(t, broker, { ...alice, password: wrong }), 0x87)
    t.equal(await refusal(t, broker, { ...alice, password: wrong }), 0x9f)
    t.equal(await refusal(t, broker, alice), 0x9f, 'the right hash')
    t.equal(await refusal(t, broker, alice, 4), 5, '3.1.1 has one code for all')
    t.match(await broker.logged(({ why }) => why === 'throttled'), {
      msg: 'login refused',
      appId: 'demo-app',
    })

    await t.test(
      'who has logged in from the address before is checked, whoever fails in his name',
      async (t) => {
        for (let i = 0; i < 4; i++) t.equal(await refusal(t, broker, { ...erin, password: wrong }), 0x87)
        const again = await connectPhone(t, broker.ports.mqtt, erin)
        t.equal(await again.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' }), 0)
      },
    )
    await t.test('contract 3: another identity from the same address still gets in', async (t) => {
      const bob = await connectPhone(t, broker.ports.mqtt, broker.credentials('bob'))
      t.equal(await bob.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' }), 0)
    })
    await t.test('design 4: malformed usernames are counted together and lock out no user', async (t) => {
      const nobody = { username: 'nobody', password: wrong }
      for (const code of [0x86, 0x86, 0x86, 0x9f]) t.equal(await refusal(t, broker, nobody), code)
      t.equal(await refusal(t, broker, { username: 'sdk:', password: wrong }), 0x9f, 'whatever the name')
      const dan = await connectPhone(t, broker.ports.mqtt, broker.credentials('dan'))
      t.same(await dan.subscribe(dan.uuidTopic), [1])
    })
    await t.test('and so does the same client identifier under another identity', async (t) => {
      const carol = await connectPhone(t, broker.ports.mqtt, broker.credentials('carol'), {
        clientId: 'refused',
      })
      t.same(await carol.subscribe(carol.uuidTopic), [1])
    })
    await t.test('a session that was open before goes on, its SOS is taken', async (t) => {
      t.equal(await before.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' }), 0)
    })
  },
)

t.test('design 4: an address with too many failures of all identities is refused with 0x9F', async (t) => {
  const broker = await startBroker(t, { env: { LIMIT_LOOPBACK: 'true', LOGIN_FAILURES_PER_ADDRESS: '4' } })
  const bob = broker.credentials('bob')
  await connectPhone(t, broker.ports.mqtt, bob)
  for (let i = 0; i < 4; i++)
    t.equal(await refusal(t, broker, { username: `sdk:demo-app:user-${i}`, password: wrong }), 0x87)
  t.equal(await refusal(t, broker, broker.credentials('alice')), 0x9f)
  const again = await connectPhone(t, broker.ports.mqtt, bob)
  t.same(await again.subscribe(again.uuidTopic), [1], 'but not one who was in before')
})

t.test('design 5: loopback addresses are not counted unless LIMIT_LOOPBACK says so', async (t) => {
  const broker = await startBroker(t, {
    env: { LOGIN_FAILURES_PER_IDENTITY: '2', LOGIN_FAILURES_PER_ADDRESS: '2' },
  })
  const alice = broker.credentials('alice')
  for (let i = 0; i < 4; i++) t.equal(await refusal(t, broker, { ...alice, password: wrong }), 0x87)
  const phone = await connectPhone(t, broker.ports.mqtt, alice)
  t.same(await phone.subscribe(phone.uuidTopic), [1])
})

import t from 'tap'
import { startBroker } from '../support/broker.js'
import { APPS, backendOf, call, writeApps } from '../support/api.js'
import { connectPhone } from '../support/phone.js'

interface Listed {
  user: { externalUserId: string; userId: string }
  transport: string
  since: string
}

const broker = await startBroker(t, { env: { APPS_FILE: writeApps(t) } })
const { mqtt, http } = broker.ports
const [a, b] = APPS
const inA = await connectPhone(t, mqtt, broker.credentials('same-name', a!.appId, a!.secrets[0]))
const inB = await connectPhone(t, mqtt, broker.credentials('same-name', b!.appId, b!.secrets[0]))
const [ofA, ofB] = [backendOf(broker, a!.appId), backendOf(broker, b!.appId)]

t.test('a backend sees the sessions of its own app, oldest first, and how many there are', async (t) => {
  const later = await connectPhone(t, mqtt, broker.credentials('later', a!.appId, a!.secrets[1]))
  const { body } = await ofA.get('/sessions')
  const sessions = body.sessions as unknown as Listed[]
  t.match(sessions, [
    {
      user: { externalUserId: 'same-name', userId: inA.user.userId },
      transport: 'tcp',
      address: '127.0.0.1',
    },
    { user: { externalUserId: 'later', userId: later.user.userId } },
  ])
  t.equal(sessions.length, 2)
  t.match((await ofA.get('/sessions?limit=1')).body, {
    sessions: [{ user: { externalUserId: 'same-name' } }],
    count: 2,
  })
  t.match((await ofB.get('/sessions')).body, { sessions: [{ user: { userId: inB.user.userId } }], count: 1 })
})

t.test('kick ends the sessions of one user of one app, who may come back', async (t) => {
  t.match(await ofB.post('/users/same-name/kick', { by: 'eve' }), { status: 200, body: { ended: 1 } })
  t.match(await inB.closed(), { reasonCode: 0x98 })
  t.same(await inA.subscribe(inA.uuidTopic), [1], 'the same name in another app is somebody else')
  const again = await connectPhone(t, mqtt, broker.credentials('same-name', b!.appId, b!.secrets[0]))
  t.same(await again.subscribe(again.uuidTopic), [1])
  t.match(await ofB.post('/users/nobody/kick'), { status: 200, body: { ended: 0 } })
})

t.test('neither is open without the secret, or on the admin port', async (t) => {
  t.equal((await call(http, 'GET', '/v1/backend/sessions')).status, 401)
  t.equal((await call(http, 'POST', '/v1/backend/users/same-name/kick')).status, 401)
  t.equal((await call(broker.ports.admin, 'GET', '/sessions')).status, 404)
  t.equal((await ofA.get('/sessions?limit=10001')).status, 400)
  t.equal((await ofA.post(`/users/${'x'.repeat(300)}/kick`)).status, 404)
})

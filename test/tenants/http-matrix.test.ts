import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { backendOf, basic, call, register, sdkOf, sosReport, startNodes } from '../support/api.js'
import type { Answer, Client } from '../support/api.js'
import type { Broker, Credentials } from '../support/broker.js'

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'
const CONTACT = { name: 'attacker', phone: '1', email: '', priority: 1 }

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`no user reads or changes anything of another by any route, header or id; ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    const victims = await Promise.all(
      people(one).map((login, i) => furnish(one, login, `secret-${i}-of-${i}`)),
    )
    const before = await Promise.all(victims.map((victim) => everythingOf(one, victim.login)))
    for (const [i, victim] of victims.entries())
      t.ok(JSON.stringify(before[i]).split(victim.marker).length > 5, 'the state to protect is there')

    for (const attacker of victims) {
      const others = victims.filter((victim) => victim !== attacker)
      const sdk = sdkOf(two, attacker.login)
      await t.test(`${nameOf(attacker.login)}: ids of others answer as unknown ones`, async (t) => {
        for (const [title, request] of Object.entries(requestsWith(sdk, attacker.contactId))) {
          const unknown = await request(UNKNOWN_ID)
          const answers = await Promise.all(others.flatMap(({ ids }) => ids.map((id) => request(id))))
          t.ok(unknown.status >= 400, `${title}: ${unknown.status}`)
          t.same([...new Set(answers.map(seen))], [seen(unknown)], title)
        }
        const elsewhere = others.filter(({ login }) => login.appId !== attacker.login.appId)
        for (const { hardwareId } of elsewhere) {
          for (const path of ['/sos', '/sos/cancel']) {
            const foreign = await sdk.post(path, sosReport({ deviceId: hardwareId }))
            const unknown = await sdk.post(path, sosReport({ deviceId: 'device nobody has' }))
            t.equal(foreign.status, 422)
            t.equal(seen(foreign), seen(unknown), `${path} with a device of the other app`)
          }
        }
        for (const answer of await Promise.all(
          ['/me', '/sos', '/sos/history', '/devices', '/contacts'].map(sdk.get),
        ))
          t.notOk(holdsMarkerOf(others, answer), 'own lists hold the own things')
      })

      await t.test(`${nameOf(attacker.login)}: a hash opens its own user only`, async (t) => {
        for (const { login } of others) {
          const headers = [
            { ...login, password: attacker.login.password },
            { ...attacker.login, appId: login.appId, password: attacker.login.password },
            { ...attacker.login, externalUserId: login.externalUserId },
            { ...login, externalUserId: attacker.login.externalUserId },
            { ...login, externalUserId: createUser(login).userId },
            { ...login, externalUserId: encodeURIComponent(login.externalUserId) },
          ].filter((made) => !victims.some((victim) => isSame(victim.login, made)))
          for (const made of headers)
            t.equal((await sdkOf(two, made).get('/sos')).status, 401, `${nameOf(made)} with a foreign hash`)
        }
      })
    }
    const after = await Promise.all(victims.map((victim) => everythingOf(two, victim.login)))
    t.same(after, before, 'nothing has changed')
  })

  t.test(`no backend reads or changes anything of another app; ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    const victims = await Promise.all(
      people(one).map((login, i) => furnish(one, login, `secret-${i}-of-${i}`)),
    )
    const before = await Promise.all(victims.map((victim) => everythingOf(one, victim.login)))
    for (const appId of ['app-a', 'app-b']) {
      const backend = backendOf(two, appId)
      const foreign = victims.filter(({ login }) => login.appId !== appId)
      const own = victims.filter(({ login }) => login.appId === appId)
      const requests: Record<string, (id: string) => Promise<Answer>> = {
        'GET incident': (id) => backend.get(`/incidents/${id}`),
        acknowledge: (id) => backend.post(`/incidents/${id}/acknowledge`, { by: 'x' }),
        resolve: (id) => backend.post(`/incidents/${id}/resolve`),
        cancel: (id) => backend.post(`/incidents/${id}/cancel`),
      }
      for (const [title, request] of Object.entries(requests)) {
        const unknown = await request(UNKNOWN_ID)
        const answers = await Promise.all(foreign.flatMap(({ ids }) => ids.map((id) => request(id))))
        t.equal(unknown.status, 404)
        t.same([...new Set(answers.map(seen))], [seen(unknown)], `${appId}: ${title}`)
      }
      const users = foreign.flatMap(({ login }) => [login.externalUserId, createUser(login).userId])
      const paths = users.map((id) => `/users/${encodeURIComponent(id)}`)
      const lists = ['/incidents', '/incidents?state=all&limit=50', '/events?limit=500']
      const read = await Promise.all([...lists, ...paths].map(backend.get))
      for (const answer of read) {
        t.equal(answer.status, 200)
        t.notOk(holdsMarkerOf(foreign, answer))
      }
      for (const list of read.slice(0, 3)) t.ok(own.every(({ marker }) => list.text.includes(marker)))

      for (const { login } of victims) {
        const mixed = {
          'x-app-id': login.appId,
          'x-user-id': login.externalUserId,
          authorization: basic(appId),
        }
        t.equal((await call(two.ports.http, 'GET', '/v1/sdk/sos', mixed)).status, 401)
      }
    }
    const after = await Promise.all(victims.map((victim) => everythingOf(two, victim.login)))
    t.same(after, before, 'nothing has changed')
  })
}

/** The same external ids in both apps, and users who are called as another one's UUID. */
function people(broker: Broker): Credentials[] {
  const uuidOf = (appId: string) => createUser({ appId, externalUserId: '42' }).userId
  return [
    broker.credentials('42', 'app-a'),
    broker.credentials('42', 'app-b'),
    broker.credentials(uuidOf('app-b'), 'app-a'),
    broker.credentials(uuidOf('app-a'), 'app-a'),
  ]
}

/** Gives a user everything one can have, marked. */
async function furnish(broker: Broker, login: Credentials, marker: string) {
  const sdk = sdkOf(broker, login)
  const hardwareId = `device ${marker}`
  await sdk.put('/me', { name: marker, address: marker })
  const deviceId = await register(sdk, hardwareId)
  const contact = await sdk.post('/contacts', { name: marker, phone: '112', email: '', priority: 1 })
  await sdk.post('/telemetry', sosReport({ deviceId: hardwareId }))
  const closed = await sdk.post('/sos', sosReport({ message: marker }))
  await sdk.post('/sos/cancel')
  const open = await sdk.post('/sos', sosReport({ message: marker, deviceId: hardwareId }))
  const contactId = contact.body.contact?.id ?? ''
  const ids = [contactId, deviceId, closed.body.incident?.id ?? '', open.body.incident?.id ?? '']
  return { login, marker, contactId, hardwareId, ids }
}

/** Every request of the SDK's surface that takes an id. */
function requestsWith(sdk: Client, ownContactId: string): Record<string, (id: string) => Promise<Answer>> {
  return {
    'DELETE device': (id) => sdk.delete(`/devices/${id}`),
    'PUT contact': (id) => sdk.put(`/contacts/${id}`, CONTACT),
    'DELETE contact': (id) => sdk.delete(`/contacts/${id}`),
    reorder: (id) => sdk.put('/contacts/reorder', { order: [id] }),
    'reorder with an own one': (id) => sdk.put('/contacts/reorder', { order: [ownContactId, id] }),
    'cancel with deviceId': (id) => sdk.post('/sos/cancel', { deviceId: id }),
    'cancel with hardwareId': (id) => sdk.post('/sos/cancel', { hardwareId: id }),
    'cancel with nodeId': (id) => sdk.post('/sos/cancel', { nodeId: id }),
    'telemetry with userId': (id) => sdk.post('/telemetry', sosReport({ userId: id })),
    'SOS with deviceId': (id) => sdk.post('/sos', sosReport({ deviceId: id })),
    'history from a place': (id) => sdk.get(`/sos/history?cursor=${encodeURIComponent(id)}`),
    'history with a limit and a place': (id) => sdk.get(`/sos/history?limit=1&cursor=${id}`),
    'PUT no device': (id) => sdk.put(`/devices/${id}`, { hardware_id: 'x' }),
    'POST no contact': (id) => sdk.post(`/contacts/${id}`, CONTACT),
    'GET no incident': (id) => sdk.get(`/sos/${id}`),
    'GET another surface': (id) => sdk.get(`/../backend/incidents/${id}`),
    'GET no contact': (id) => sdk.get(`/contacts/${id}`),
    'GET no route': (id) => sdk.get(`/devices/${id}`),
  }
}

/** What the user himself reads. */
async function everythingOf(broker: Broker, login: Credentials) {
  const sdk = sdkOf(broker, login)
  const answers = await Promise.all(['/me', '/sos', '/sos/history', '/devices', '/contacts'].map(sdk.get))
  const user = await backendOf(broker, login.appId).get(`/users/${encodeURIComponent(login.externalUserId)}`)
  return [...answers, user].map(({ status, text }) => ({ status, text }))
}

function seen({ status, text }: Answer): string {
  return `${status} ${text}`
}

function holdsMarkerOf(victims: { marker: string }[], { text }: Answer): boolean {
  return victims.some(({ marker }) => text.includes(marker))
}

function isSame(one: Credentials, other: Credentials): boolean {
  return (
    one.appId === other.appId &&
    one.externalUserId === other.externalUserId &&
    one.password === other.password
  )
}

function nameOf({ appId, externalUserId }: Credentials): string {
  return `${appId} ${externalUserId}`
}

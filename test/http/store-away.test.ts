import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import type { HttpAnswer } from '../support/http.js'
import { isReady, readinessUntil } from '../support/readiness.js'
import { startRedis } from '../support/redis.js'
import type { RedisServer } from '../support/redis.js'
import { readError, readIncident, readIncidentOrNull, readUser } from '../support/sdk-reader.js'

const REPORT = { timestamp: '2026-05-01T10:00:00.123Z', latitude: 41.4, longitude: 2.2, altitude: 0 }
const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

const waysToGo: Record<string, (t: Test, redis: RedisServer, broker: Broker) => Promise<Way>> = {
  'has stopped': async (_t, redis, broker) => ({
    async leave() {
      await redis.stop('SIGTERM')
      await broker.logged((line) => line.msg === 'redis connection failed' && line.connection === 'sos')
    },
    async comeBack() {
      await redis.start()
      await broker.logged((line) => line.msg === 'redis connection is back' && line.connection === 'sos')
    },
  }),
  'does not answer': async (_t, redis, broker) => {
    const [, pid] = /process_id:(\d+)/.exec(await redis.client.info('server')) ?? []
    return {
      leave: async () => void process.kill(Number(pid), 'SIGSTOP'),
      async comeBack() {
        process.kill(Number(pid), 'SIGCONT')
        await readinessUntil(broker, isReady)
      },
    }
  },
}

interface Way {
  leave(): Promise<void>
  comeBack(): Promise<void>
}

for (const [how, createWay] of Object.entries(waysToGo)) {
  t.test(
    `while Redis ${how} all but what the journal takes is 503, and afterwards everything is as it was`,
    async (t) => {
      const redis = await startRedis(t)
      const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
      const way = await createWay(t, redis, broker)
      const phone = createPhone(broker, broker.credentials('ann'))
      await phone.put('/v1/sdk/me', { name: 'Ann' })
      const { id } = readIncident(await phone.post('/v1/sdk/sos', REPORT))

      await way.leave()
      const backend = { headers: backendHeaders(broker) }
      // Each write by a user of his own: those of one user wait for each other.
      const user = (name: string) => createPhone(broker, broker.credentials(name))
      const calls: Record<string, Promise<HttpAnswer>> = {
        'GET /sos': phone.get('/v1/sdk/sos'),
        'GET /sos of a user without one': user('calm').get('/v1/sdk/sos'),
        'GET /me': phone.get('/v1/sdk/me'),
        'GET /sos/history': phone.get('/v1/sdk/sos/history'),
        'GET /devices': phone.get('/v1/sdk/devices'),
        'GET /contacts': phone.get('/v1/sdk/contacts'),
        'POST /sos/cancel': user('di').post('/v1/sdk/sos/cancel'),
        'POST /sos/resolve': user('ed').post('/v1/sdk/sos/resolve'),
        'PUT /me': user('gil').put('/v1/sdk/me', { name: 'Gil' }),
        'DELETE /me': user('hal').delete('/v1/sdk/me'),
        'POST /devices': user('ida').post('/v1/sdk/devices', { hardware_id: 'x' }),
        'DELETE /devices': user('jo').delete(`/v1/sdk/devices/${UNKNOWN_ID}`),
        'POST /contacts': user('kim').post('/v1/sdk/contacts', { name: 'x' }),
        'PUT /contacts': user('lu').put(`/v1/sdk/contacts/${UNKNOWN_ID}`, { name: 'x' }),
        'PUT /contacts/reorder': user('mo').put('/v1/sdk/contacts/reorder', { order: [] }),
        'DELETE /contacts': user('ned').delete(`/v1/sdk/contacts/${UNKNOWN_ID}`),
        'GET backend incidents': send(broker, 'http', 'GET', '/v1/backend/incidents', backend),
        'GET backend incident': send(broker, 'http', 'GET', `/v1/backend/incidents/${id}`, backend),
        'GET backend user': send(broker, 'http', 'GET', '/v1/backend/users/ann', backend),
        'GET backend events': send(broker, 'http', 'GET', '/v1/backend/events', backend),
      }
      for (const [name, call] of Object.entries(calls)) {
        const answer = await call
        t.equal(answer.status, 503, name)
        t.equal(readError(answer, 503).code, 'unavailable', name)
        t.notOk(answer.text.includes('null'), name)
      }
      const unknownDevice = { ...REPORT, deviceId: 'CF:82:00:00:00:01' }
      t.match(readIncident(await user('bo').post('/v1/sdk/sos', REPORT)), { state: 'active' })
      t.match(readIncident(await user('cy').post('/v1/sdk/sos', unknownDevice)), { state: 'active' })
      t.equal((await user('fe').post('/v1/sdk/telemetry', REPORT)).status, 200)
      const again = { ...REPORT, timestamp: '2026-05-01T10:00:05.000Z' }
      t.equal(readIncident(await phone.post('/v1/sdk/sos', again)).id, id, 'of the incident that is open')
      const { id: first } = readIncident(await user('pat').post('/v1/sdk/sos', REPORT))
      t.match(
        readIncident(await user('pat').post('/v1/sdk/sos', again)),
        { id: first },
        'of the first report',
      )
      const wrong = user('ann').get('/v1/sdk/me', { headers: { Authorization: 'Bearer none' } })
      readError(await wrong, 401)

      await way.comeBack()
      t.equal(readIncidentOrNull(await phone.get('/v1/sdk/sos'))?.id, id)
      t.equal(readUser(await phone.get('/v1/sdk/me')).name, 'Ann')
      for (const name of ['bo', 'cy'])
        t.match(readIncidentOrNull(await user(name).get('/v1/sdk/sos')), { state: 'active' }, name)
      t.match(readIncident(await phone.post('/v1/sdk/sos/cancel')), { id, state: 'cancelled' })
      const pat = user('pat')
      t.equal(readIncidentOrNull(await pat.get('/v1/sdk/sos'))?.id, first)
      t.match(readIncident(await pat.post('/v1/sdk/sos/cancel')), { id: first, state: 'cancelled' })
      await readinessUntil(broker, isReady)

      await way.leave()
      const later = { ...REPORT, timestamp: '2026-05-01T10:00:10.000Z' }
      const { id: second } = readIncident(await pat.post('/v1/sdk/sos', later))
      t.not(second, first, 'a cancelled incident is not the one that a new report is told of')
      await way.comeBack()
      await readinessUntil(broker, isReady)
      t.equal(readIncidentOrNull(await pat.get('/v1/sdk/sos'))?.id, second)
    },
  )
}

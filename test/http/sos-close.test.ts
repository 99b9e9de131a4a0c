import t from 'tap'
import type { Test } from 'tap'
import { withBothStores } from '../support/both-stores.js'
import type { Broker } from '../support/broker.js'
import { openEventSession } from '../support/event-session.js'
import { backendHeaders, createPhone, send } from '../support/http.js'
import { readError, readIncident, readIncidentOrNull, readUser } from '../support/sdk-reader.js'

const AT = (second: number) => `2026-05-01T10:00:${String(second).padStart(2, '0')}.123Z`
const REPORT = { timestamp: AT(0), latitude: 41.4, longitude: 2.2, altitude: 0 }
const CLOSINGS = [
  ['cancel', 'cancelled'],
  ['resolve', 'resolved'],
] as const

t.test('closing an SOS over HTTP', (t) =>
  withBothStores(t, async (t, { broker }) => {
    for (const [verb, status] of CLOSINGS) {
      t.test(`contract 8: ${verb} while nothing is open is 200 and null`, async (t) => {
        const answer = await createPhone(broker, broker.credentials('calm')).post(`/v1/sdk/sos/${verb}`)
        t.strictSame([answer.status, answer.text], [200, '{"incident":null}'])
      })

      t.test(`${verb} gives the phone's session ${status} once per form, before the answer`, async (t) => {
        const user = await signIn(t, broker, `phone ${verb}`)
        const { phone, session, filters } = user
        const { id } = readIncident(await phone.post('/v1/sdk/sos', REPORT))
        const closed = readIncident(await phone.post(`/v1/sdk/sos/${verb}`))
        const whenAnswered = [...session.of(status, id)]
        t.match(closed, { id, state: status, status, timestamp: AT(0), [`${status}At`]: String })
        t.strictSame(whenAnswered.map(({ topic }) => topic).toSorted(), filters.toSorted())
        for (const { event, topic } of whenAnswered) {
          const userId = topic === filters[0] ? user.userId : `phone ${verb}`
          const at = (closed as Record<string, unknown>)[`${status}At`]
          t.match(event, { type: status, status, userId, updatedAt: at, [`${status}At`]: at })
        }
        t.equal(readIncidentOrNull(await phone.get('/v1/sdk/sos')), null)

        t.equal(readIncidentOrNull(await phone.post(`/v1/sdk/sos/${verb}`)), null, 'again: nothing open')
        const next = readIncident(await phone.post('/v1/sdk/sos', { ...REPORT, timestamp: AT(9) }))
        t.not(next.id, id, 'the next report opens a new incident')
        await Promise.all(
          filters.map((filter) =>
            session.until(({ topic, event }) => topic === filter && event.incidentId === next.id),
          ),
        )
        t.equal(session.of(status, id).length, 2, 'once per form, also after the second call')
      })

      t.test(`contract 8: ${verb} closes an acknowledged incident, and a report keeps it so`, async (t) => {
        const { phone, session } = await signIn(t, broker, `acknowledged ${verb}`)
        const { id } = readIncident(await phone.post('/v1/sdk/sos', REPORT))
        const acknowledge = () =>
          send(broker, 'http', 'POST', `/v1/backend/incidents/${id}/acknowledge`, {
            headers: backendHeaders(broker),
          })
        t.equal((await acknowledge()).status, 200)
        const acknowledged = readIncident(await phone.get('/v1/sdk/sos'))
        t.match(acknowledged, { id, state: 'acknowledged', acknowledgedAt: String })
        const again = await acknowledge()
        t.match(again.json, { incident: { id, acknowledgedAt: acknowledged.acknowledgedAt } })
        const updated = readIncident(await phone.post('/v1/sdk/sos', { timestamp: AT(3) }))
        t.match(updated, { id, state: 'acknowledged', timestamp: AT(3) })
        t.match(readIncident(await phone.post(`/v1/sdk/sos/${verb}`)), { id, state: status })
        await session.until(({ event }) => event.type === status)
        t.equal((await acknowledge()).status, 404, 'none open: nothing to acknowledge')
        t.equal(session.of('acknowledged', id).length, 2, 'one event in each form')
        t.equal(
          session.of('processed', id).find(({ event }) => event.occurredAt === AT(3) && 'status' in event)
            ?.event.status,
          'acknowledged',
        )
      })

      t.test(
        `contract 5: after ${verb}, MQTT takes a counted report for a repeat, HTTP does not`,
        async (t) => {
          const { phone, session } = await signIn(t, broker, `repeat ${verb}`)
          await session.publish('sos/alerts', JSON.stringify(REPORT))
          const { id } = readIncident(await phone.post(`/v1/sdk/sos/${verb}`))
          await session.publish('sos/alerts', JSON.stringify(REPORT))
          t.equal(readIncidentOrNull(await phone.get('/v1/sdk/sos')), null)
          const reopened = readIncident(await phone.post('/v1/sdk/sos', REPORT))
          t.not(reopened.id, id)
          t.match(reopened, { state: 'active', timestamp: AT(0) })
          t.equal(readIncident(await phone.post('/v1/sdk/sos', REPORT)).id, reopened.id)
          await session.until(({ event }) => event.incidentId === reopened.id)
          t.strictSame(session.of('processed', id).length, 2)
        },
      )

      t.test(`after ${verb} a report with an earlier time opens a new incident by MQTT`, async (t) => {
        const { phone, session } = await signIn(t, broker, `earlier ${verb}`)
        const { id } = readIncident(await phone.post('/v1/sdk/sos', { timestamp: AT(30) }))
        await phone.post(`/v1/sdk/sos/${verb}`)
        await session.publish('sos/alerts', JSON.stringify(REPORT))
        t.not(readIncident(await phone.get('/v1/sdk/sos')).id, id)
      })

      t.test(`contract 9: ${verb} takes any JSON object and no body without a content type`, async (t) => {
        const { phone } = await signIn(t, broker, `bodies ${verb}`)
        for (const body of [{}, { reason: 'false alarm' }, null, undefined]) {
          const { id } = readIncident(await phone.post('/v1/sdk/sos', Buffer.alloc(0)))
          const headers = body === undefined ? { 'Content-Type': undefined } : {}
          t.match(readIncident(await phone.post(`/v1/sdk/sos/${verb}`, body, { headers })), { id })
        }
      })
    }

    t.test('cancel against resolve: one closes the incident, the other finds none open', async (t) => {
      const { phone, session } = await signIn(t, broker, 'race')
      for (let round = 0; round < 5; round++) {
        const { id } = readIncident(await phone.post('/v1/sdk/sos', { timestamp: AT(round) }))
        const answers = await Promise.all(
          [0, 1, 2, 3].map((i) => phone.post(`/v1/sdk/sos/${i % 2 ? 'cancel' : 'resolve'}`)),
        )
        const winners = answers.map(readIncidentOrNull).filter((incident) => incident !== null)
        t.strictSame(
          winners.map((winner) => winner.id),
          [id],
        )
        await session.until(({ event }) => event.incidentId === id && event.type === winners[0]?.state)
      }
      const { id } = readIncident(await phone.post('/v1/sdk/sos', { timestamp: AT(40) }))
      await session.until(({ event }) => event.incidentId === id)
      const ends = session.received.filter(({ event }) => event.type !== 'processed')
      t.equal(ends.length, 10, 'five incidents, one end in each of two forms')
    })

    t.test('contract 9: cancel with an unknown device is 422 and cancels nothing', async (t) => {
      const { phone } = await signIn(t, broker, 'stranger')
      const { id } = readIncident(await phone.post('/v1/sdk/sos', REPORT))
      const refusal = readError(
        await phone.post('/v1/sdk/sos/cancel', { deviceId: 'CF:82:00:00:00:98' }),
        422,
      )
      t.equal(refusal.code, 'validation_error')
      t.equal(readIncident(await phone.get('/v1/sdk/sos')).id, id)
    })

    for (const deviceId of [{ id: 1 }, 'x'.repeat(129), true, ['CF:82:00:00:00:98'], 1.5]) {
      const shown = JSON.stringify(deviceId).slice(0, 24)
      t.test(`cancel with a deviceId that is none (${shown}) does not cancel the own incident`, async (t) => {
        const { phone } = await signIn(t, broker, `odd device ${shown}`)
        const { id } = readIncident(await phone.post('/v1/sdk/sos', REPORT))
        const answer = await phone.post('/v1/sdk/sos/cancel', { deviceId })
        t.ok([400, 422].includes(answer.status), `refused, got ${answer.status}`)
        t.equal(readIncidentOrNull(await phone.get('/v1/sdk/sos'))?.id, id)
      })
    }

    t.test('contract 9: cancel with a device whose incident another opened is 409', async (t) => {
      const { phone: owner } = await signIn(t, broker, 'owner')
      const { phone: relayer } = await signIn(t, broker, 'relayer')
      await owner.post('/v1/sdk/devices', { hardware_id: 'CF:82:00:00:00:07' })
      const { id } = readIncident(await owner.post('/v1/sdk/sos', REPORT))
      const refusal = readError(
        await relayer.post('/v1/sdk/sos/cancel', { deviceId: 'cf:82:00:00:00:07' }),
        409,
      )
      t.match(refusal.message, /^deviceId: /)
      t.equal(readIncident(await owner.get('/v1/sdk/sos')).id, id)
    })

    t.test('contract 5: a relayed SOS is the owner’s, and its relayer may cancel it', async (t) => {
      const { phone: owner } = await signIn(t, broker, 'owner 2')
      const { phone: relayer, session } = await signIn(t, broker, 'relayer 2')
      await owner.post('/v1/sdk/devices', { hardware_id: 'CF:82:00:00:00:08' })
      const relayed = { ...REPORT, deviceId: 'cf:82:00:00:00:08', relaySource: 'remote_lora' }
      const told = readIncident(await relayer.post('/v1/sdk/sos', relayed))
      t.equal(readIncidentOrNull(await relayer.get('/v1/sdk/sos')), null, 'it is not the relayer’s own')
      t.match(readIncident(await owner.get('/v1/sdk/sos')), { id: told.id, latitude: 41.4 })
      t.notOk('latitude' in told, 'the relayer is told nothing about the owner')
      t.match(readIncident(await relayer.post('/v1/sdk/sos/cancel', { deviceId: 'CF:82:00:00:00:08' })), {
        id: told.id,
        state: 'cancelled',
      })
      t.equal(readIncidentOrNull(await owner.get('/v1/sdk/sos')), null)
      const own = readIncident(await relayer.post('/v1/sdk/sos', { timestamp: AT(20) }))
      await session.until(({ event }) => event.incidentId === own.id)
      t.strictSame(session.of('processed', told.id), [], 'the relayer’s session hears nothing of it')
    })
  }),
)

/** A user on the phone and with an MQTT session that hears both forms. */
async function signIn(t: Test, broker: Broker, externalUserId: string) {
  const credentials = broker.credentials(externalUserId)
  const phone = createPhone(broker, credentials)
  const { id: userId } = readUser(await phone.get('/v1/sdk/me'))
  const filters = [`sos/events/${userId}`, `sos/events/${encodeURIComponent(externalUserId)}`]
  const session = await openEventSession(t, broker, credentials, filters)
  return { phone, session, userId, filters }
}

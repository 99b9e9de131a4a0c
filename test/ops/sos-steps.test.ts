import t from 'tap'
import { backendOf, connectPhone, writeApps } from '../support/api.js'
import { startBroker } from '../support/broker.js'
import type { Broker, LogLine } from '../support/broker.js'
import { untilReady } from '../support/readiness.js'
import { startRedis } from '../support/redis.js'

/** The log line of a node with this message and all of these fields. */
function lineOf(node: Broker, msg: string, fields: Record<string, unknown>): Promise<LogLine> {
  return node.logged(
    (line) => line.msg === msg && Object.entries(fields).every(([name, value]) => line[name] === value),
  )
}

t.test(
  'one event id goes with an SOS from its packet to its event, through Redis and journal, on every node',
  async (t) => {
    const redis = await startRedis(t)
    const env = { APPS_FILE: writeApps(t), REDIS_URL: redis.url }
    const [one, two] = await Promise.all([startBroker(t, { env }), startBroker(t, { env })])
    const user = one.credentials('user-7', 'app-a')
    const [phone, tablet] = [await connectPhone(t, one, user), await connectPhone(t, two, user)]
    const { userId } = phone

    await t.test('received, stored, and delivered on both nodes', async (t) => {
      await phone.report()
      await tablet.next()
      await phone.next()
      const { eventId, sessionId, way, level } = await lineOf(one, 'sos received', { userId })
      t.equal(way, 'mqtt')
      t.equal(level, 'info')
      const stored = await lineOf(one, 'sos stored', { eventId })
      t.match(stored, { appId: 'app-a', userId, sessionId, repeat: false })
      for (const node of [one, two])
        t.match(await lineOf(node, 'event delivered', { eventId }), {
          type: 'processed',
          incidentId: stored.incidentId,
          sessionIds: { length: 1 },
        })
    })

    await t.test(
      'acknowledged and closed carry the id of their own event, and the incident ties them together',
      async (t) => {
        const { incidentId } = await lineOf(one, 'sos stored', { userId })
        const backend = backendOf(two)
        for (const [verb, msg, type] of [
          ['acknowledge', 'incident acknowledged', 'acknowledged'],
          ['resolve', 'incident closed', 'resolved'],
        ] as const) {
          t.equal((await backend.post(`/incidents/${incidentId}/${verb}`)).status, 200)
          const { eventId } = await lineOf(two, msg, { incidentId })
          t.match(await lineOf(one, 'event delivered', { eventId }), { type, incidentId })
        }
        t.equal((await backend.post(`/incidents/${incidentId}/resolve`)).status, 200)
        await phone.report()
        await lineOf(two, 'event delivered', { type: 'processed' })
        const closings = two.log.filter(({ msg }) => msg === 'incident closed')
        t.equal(closings.length, 1, 'what is closed already is closed by nobody')
      },
    )

    await t.test('the same through the journal while Redis is away', async (t) => {
      await redis.stop()
      await phone.report()
      const { eventId } = await lineOf(one, 'sos in the journal until the store is back', { userId })
      await lineOf(one, 'sos received', { eventId })
      await redis.start()
      await untilReady(one)
      await lineOf(one, 'sos stored from the journal', { eventId })
      for (const node of [one, two])
        t.match(await lineOf(node, 'event delivered', { eventId }), { type: 'processed' })
    })
  },
)

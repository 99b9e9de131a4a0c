import { DRILL_USER } from '../../store/drill-user.js'
import { DRILL_TRIGGER, drillReport } from './drill-report.js'
import type { Endpoint } from './endpoints.js'
import { Fault } from './finding.js'
import type { Finding } from './finding.js'
import type { HttpAnswer } from './http-client.js'
import type { MqttSession } from './mqtt-session.js'

/** HTTP as the doctor's own user. */
export type Ask = (method: string, path: string) => Promise<HttpAnswer>

interface Incident {
  id: string
  triggerSource?: string
}

/**
 * An SOS that alarms nobody and leaves nothing open: sent only while it can be taken back, by a user who is no person,
 * with a message that says so, without a position; cancelled at once.
 */
export interface Drill {
  send(session: MqttSession, endpoint: Endpoint): Promise<Finding>
  /** Takes back what was sent, and forgets the user. */
  end(): Promise<Finding[]>
}

/** @throws Fault when a drill could not be taken back, or something else than a drill is open. */
export async function beginDrill(ask: Ask): Promise<Drill> {
  const before = await readOpen(ask)
  if (before && before.triggerSource !== DRILL_TRIGGER)
    throw new Fault(
      `user ${DRILL_USER} has an open SOS that is no drill (${before.id}): no drill is sent; look at it`,
    )
  let isSent = before !== null
  let last = 0
  // Ctrl-C between SOS and cancel would leave an alarm behind.
  const hold = () => {}
  process.on('SIGINT', hold).on('SIGTERM', hold)

  return {
    async send(session, { kind }) {
      // Each a report of its own: the same time twice counts once.
      last = Math.max(Date.now(), last + 1)
      const report = drillReport(new Date(last).toISOString())
      isSent = true
      const event = session.event(
        ({ type, occurredAt }) => type === 'processed' && Date.parse(String(occurredAt)) === last,
      )
      event.catch(() => {}) // told below, unless the publication fails first
      await session.publish('sos/alerts', report)
      await event
      return { check: kind, is: 'ok', says: 'login, SOS acknowledged, event received' }
    },
    async end() {
      try {
        if (!isSent) return []
        await takeBack(ask)
        return [
          {
            check: 'drill',
            is: 'ok',
            says: 'the drill was read over HTTP, cancelled, and its user forgotten',
          },
        ]
      } finally {
        process.off('SIGINT', hold).off('SIGTERM', hold)
      }
    },
  }
}

async function takeBack(ask: Ask): Promise<void> {
  const open = await readOpen(ask)
  const { status } = await ask('POST', '/v1/sdk/sos/cancel')
  if (status !== 200)
    throw new Fault(
      `the drill could not be cancelled (${status}): connect-broker incidents resolve ${open?.id ?? '<id>'}`,
    )
  if (!open) throw new Fault('the drill was acknowledged, but no incident is open')
  if ((await readOpen(ask)) !== null)
    throw new Fault(`the drill is still open: connect-broker incidents resolve ${open.id}`)
  const forgotten = await ask('DELETE', '/v1/sdk/me')
  if (forgotten.status !== 204)
    throw new Fault(`the data of ${DRILL_USER} could not be removed (${forgotten.status})`)
}

async function readOpen(ask: Ask): Promise<Incident | null> {
  const { status, json } = await ask('GET', '/v1/sdk/sos')
  if (status === 200) return json.incident as Incident | null
  throw new Fault(`the store cannot be read (${status}): no drill is sent, for nobody could take it back`)
}

import { createHmac } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

// Signs a user: the app gets this from your server and hands it to the SDK. It never expires, so give it only to
// somebody who has logged in with you.
export function signSession({ appId, appSecret }, externalUserId) {
  const userHash = createHmac('sha256', appSecret).update(externalUserId).digest('hex')
  return { appId, externalUserId, userHash }
}

export function createBrokerClient({ brokerUrl, appId, appSecret }) {
  const authorization = `Basic ${Buffer.from(`${appId}:${appSecret}`).toString('base64')}`

  async function call(method, path, body, signal) {
    const response = await fetch(`${brokerUrl}/v1/backend${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal,
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
    return response.json()
  }

  return {
    acknowledge: (incidentId, by, note) => call('POST', `/incidents/${incidentId}/acknowledge`, { by, note }),

    // Hands every event behind `after` to `onEvent`, one after the other, for ever. Keep the id of each that you
    // have dealt with, and give it as `after` at your next start.
    async followEvents(after, onEvent, signal) {
      for (let place = after; !signal.aborted;) {
        try {
          const { events } = await call('GET', `/events?after=${place}&wait=30`, undefined, signal)
          for (const event of events) {
            await onEvent(event)
            place = event.id
          }
        } catch (error) {
          if (signal.aborted) return
          console.error(`event log: ${error.message}`) // the broker restarts, or we could not deal with the event
          await pause(1_000)
        }
      }
    },
  }
}

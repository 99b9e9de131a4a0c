import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createUser } from '../../auth/identity.js'
import { openMqttSession } from '../support/mqtt-session.js'
import type { ShippedBroker } from '../support/shipped-broker.js'

/** A little of everything that a dashboard shows, until it is stopped. */
export async function startTraffic({ ports, signIn }: ShippedBroker): Promise<{ stop: () => Promise<void> }> {
  let isStopped = false
  const names = Array.from({ length: PHONES }, (_, i) => `phone-${i}`)
  const sessions = await Promise.all(
    names.map((externalUserId, i) => {
      const { userId } = createUser({ appId: 'demo-app', externalUserId })
      return openMqttSession({
        port: ports.mqtt,
        version: i % 2 === 0 ? 5 : 4,
        ...signIn(externalUserId),
        topicFilters: [`sos/events/${userId}`],
        onEvent() {},
      })
    }),
  )
  const message = () =>
    JSON.stringify({ timestamp: new Date().toISOString(), latitude: 41.4, longitude: 2.2 })

  async function everySecond(): Promise<void> {
    // oxlint-disable-next-line no-unmodified-loop-condition -- stop() ends it
    while (!isStopped) {
      for (const session of sessions) void session.publish('tel/data', message(), false)
      const reporter = sessions[Math.floor(Math.random() * sessions.length)]
      void reporter?.publish('sos/alerts', message(), false)
      await openMqttSession({
        port: ports.mqtt,
        version: 5,
        ...signIn('phone-0'),
        password: 'wrong',
        topicFilters: [],
        onEvent() {},
      }).catch(() => {})
      await breakTheProtocol(ports.mqtt)
      await fetch(`http://127.0.0.1:${ports.http}/docs`)
      await pause(1_000)
    }
  }
  const running = everySecond()
  return {
    async stop() {
      isStopped = true
      await running
      for (const session of sessions) session.destroy()
    },
  }
}

/** A CONNECT without anything in it. */
async function breakTheProtocol(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.end(Buffer.from([0x10, 0x00]))
  socket.resume()
  await once(socket, 'close')
}

const PHONES = 20

import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { createWebSocketStream, WebSocket } from 'ws'
import { startBroker } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { runProgram } from '../support/programs.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import { dial, untilClosed } from '../support/proxied.js'
import { createRawClient } from '../support/raw-client.js'
import { connectBytes } from '../support/wire-packets.js'

const REFUSED = 'connect_broker_connections_refused_total'
/** So long that nothing below ends because of it. */
const env = { LIMIT_LOOPBACK: 'true', CONNECT_TIMEOUT_MS: '600000', LOOP_LAG_MAX_MS: '600000' }

t.test('connections that have not logged in, and connections of one address', async (t) => {
  const broker = await startBroker(t, {
    env: { ...env, HALF_OPEN_PER_ADDRESS: '3', HALF_OPEN_MAX: '5', CONNECTIONS_PER_ADDRESS: '6' },
  })
  const { mqtt, mqtts, http, https } = broker.ports

  await t.test(
    'an address may have HALF_OPEN_PER_ADDRESS that have not, over all ports together',
    async (t) => {
      const [tcp, tls, web] = [await admitted(t, mqtt), await admitted(t, mqtts), await admitted(t, https)]
      for (const port of [mqtt, mqtts, http, https])
        t.equal(await untilClosed(await dial(t, port, '127.0.0.2')), '', 'one more is closed unanswered')
      t.match(
        await logIn(t, broker, await dial(t, mqtt, '127.0.0.3')),
        { returnCode: 0 },
        'a neighbour gets in',
      )

      t.match(await logIn(t, broker, tcp), { returnCode: 0 }, 'one of them logs in')
      const next = await admitted(t, http)
      next.write('GET /docs HTTP/1.1\r\nHost: x\r\n\r\n')
      await new Promise((resolve) => next.once('data', resolve))
      t.ok(await admitted(t, mqtt), 'one of them has spoken HTTP')
      for (const socket of [tls, web]) socket.destroy()
    },
  )

  await t.test('all together may have HALF_OPEN_MAX', async (t) => {
    await metricsUntil(broker, (read) => read('connect_broker_connections', { transport: 'tcp' }) === 0)
    for (const from of ['127.0.0.4', '127.0.0.4', '127.0.0.5', '127.0.0.5', '127.0.0.6'])
      await admitted(t, mqtt, from)
    t.equal(await untilClosed(await dial(t, mqtt, '127.0.0.7')), '', 'also for who has none')
    t.match(await broker.logged(({ why }) => why === 'half-open-all'), {
      msg: 'connections refused before login',
      address: '127.0.0.7',
    })
  })

  await t.test('an address may have CONNECTIONS_PER_ADDRESS, logged in or not', async (t) => {
    await metricsUntil(broker, (read) => read('connect_broker_connections', { transport: 'tcp' }) === 0)
    for (let i = 0; i < 6; i++)
      t.match(await logIn(t, broker, await dial(t, mqtt, '127.0.0.8'), `user ${i}`), { returnCode: 0 })
    t.equal(await untilClosed(await dial(t, mqtt, '127.0.0.8')), '')
    t.match(await broker.logged(({ why }) => why === 'connections-address'), { address: '127.0.0.8' })
  })

  await t.test('who leaves makes room, also over TLS and WebSocket', async (t) => {
    for (const [port, path] of [
      [mqtts, null],
      [http, '/mqtt'],
      [https, '/mqtt'],
    ] as const) {
      for (let i = 0; i < 8; i++) {
        const below = await dial(t, port, '127.0.0.9')
        const socket = port === http ? below : connectTls({ socket: below, rejectUnauthorized: false })
        const webSocket = path && new WebSocket(`ws://x${path}`, 'mqtt', { createConnection: () => socket })
        if (webSocket) await once(webSocket, 'open')
        t.match(await logIn(t, broker, webSocket ? createWebSocketStream(webSocket) : socket), {
          returnCode: 0,
        })
        below.destroy()
        await metricsUntil(broker, (read) => read('connect_broker_connections') === 0)
      }
    }
  })

  /** A connection that the broker has accepted and that has said nothing yet. */
  async function admitted(t: Test, port: number, from = '127.0.0.2'): Promise<Socket> {
    for (;;) {
      const socket = await dial(t, port, from)
      // The broker answers on a later connection, so it has decided on this one.
      await readMetrics(broker)
      if (!socket.destroyed && socket.readyState === 'open') return socket
    }
  }
})

t.test('new connections a second', async (t) => {
  const rates = { CONNECTION_RATE_PER_ADDRESS: '2', CONNECTION_RATE_MAX: '5' }
  const broker = await startBroker(t, { env: { ...env, ...rates } })
  await t.test('an address that comes too often is refused', async (t) => {
    const sockets = await Promise.all(
      Array.from({ length: 40 }, () => dial(t, broker.ports.mqtt, '127.0.0.2')),
    )
    await metricsUntil(broker, (read) => read(REFUSED, { reason: 'rate-address' }) > 0)
    for (const socket of sockets) socket.destroy()
    t.equal(
      (await readMetrics(broker))(REFUSED, { reason: 'rate-all' }),
      0,
      'and the others lose nothing by it',
    )
    t.match(await logIn(t, broker, await dial(t, broker.ports.mqtt, '127.0.0.3')), { returnCode: 0 })
  })
  await t.test('so is everybody when all together do', async (t) => {
    const sockets = await Promise.all(
      Array.from({ length: 100 }, (_, i) => dial(t, broker.ports.mqtt, `127.0.1.${i + 1}`)),
    )
    await metricsUntil(broker, (read) => read(REFUSED, { reason: 'rate-all' }) > 0)
    for (const socket of sockets) socket.destroy()
    const total = (await readMetrics(broker))(REFUSED)
    const lines = broker.log.filter(({ msg }) => msg === 'connections refused before login')
    t.ok(lines.length < total, `${total} refusals, ${lines.length} lines in the log`)
    t.match(lines[0], { why: 'rate-address', count: 1 })
  })
})

t.test('while the event loop is late nobody new gets in, and then everybody does', async (t) => {
  const broker = await startBroker(t, { env: { ...env, LOOP_LAG_MAX_MS: '10' } })
  broker.child.kill('SIGSTOP')
  const early = await dial(t, broker.ports.mqtt, '127.0.0.2')
  // A process that stands still is late; this takes longer than the broker may be.
  await runProgram(t, process.execPath, ['dist/broker/sign.js', '--app', 'demo-app', '--user', 'x'], {
    env: { ...process.env, DATA_DIR: broker.dataDir },
  }).ended
  broker.child.kill('SIGCONT')
  t.equal(await untilClosed(early), '')
  t.match(await broker.logged(({ why }) => why === 'loop-lag'), { address: '127.0.0.2' })
  for (;;) {
    const connack = await logIn(t, broker, await dial(t, broker.ports.mqtt, '127.0.0.2')).catch(() => null)
    if (!connack) continue
    t.match(connack, { returnCode: 0 })
    break
  }
})

t.test('loopback is under none of these limits unless LIMIT_LOOPBACK says so', async (t) => {
  const broker = await startBroker(t, {
    env: {
      ...env,
      LIMIT_LOOPBACK: 'false',
      HALF_OPEN_PER_ADDRESS: '1',
      HALF_OPEN_MAX: '1',
      CONNECTIONS_PER_ADDRESS: '1',
      CONNECTION_RATE_PER_ADDRESS: '1',
      CONNECTION_RATE_MAX: '1',
      LOOP_LAG_MAX_MS: '1',
    },
  })
  const sockets = await Promise.all(Array.from({ length: 20 }, () => dial(t, broker.ports.mqtt)))
  await metricsUntil(broker, (read) => read('connect_broker_connections', { transport: 'tcp' }) === 20)
  for (const [i, socket] of sockets.entries())
    t.match(await logIn(t, broker, socket, `user ${i}`), { returnCode: 0 })
  t.equal((await readMetrics(broker))(REFUSED), 0)
})

/** Sends CONNECT; resolves with the CONNACK. */
async function logIn(t: Test, broker: Broker, socket: Duplex, user = 'ann') {
  if (socket.destroyed) throw new Error('refused')
  const client = createRawClient(t, socket, 4)
  client.send(connectBytes(broker.credentials(user)))
  return client.nextOf('connack')
}

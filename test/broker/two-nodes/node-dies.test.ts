import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startBroker, temporaryDirectory } from '../../support/broker.js'
import { createPhone } from '../../support/http.js'
import { untilReady } from '../../support/readiness.js'
import { publishSos, readEventLog, subscribeToEvents, timestampOf } from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import type { RawClient } from '../../support/raw-client.js'
import { startRedis } from '../../support/redis.js'
import type { RedisServer } from '../../support/redis.js'

const STORE_TIMEOUT_MS = '2000' // a machine that is busy for a moment is no outage
const redis = await startRedis(t)
const here = await startBroker(t, { env: { REDIS_URL: redis.url, STORE_TIMEOUT_MS } })
const APPS_FILE = join(here.dataDir, 'apps.json')

t.test(
  'a node that is partitioned from Redis and one that is not are one incident after the heal',
  async (t) => {
    const proxy = await startProxy(t, redis)
    const apart = await startBroker(t, { env: { REDIS_URL: proxy.url, STORE_TIMEOUT_MS, APPS_FILE } })
    const alice = here.credentials('alice')
    const [near, far, listener] = await Promise.all([
      logIn(t, here.ports.mqtt, alice),
      logIn(t, apart.ports.mqtt, alice),
      logIn(t, apart.ports.mqtt, alice, { protocolVersion: 5 }),
    ])
    const events = await subscribeToEvents(listener, ['sos/events/alice'])
    proxy.cut()
    for (const n of [1, 3, 5]) {
      t.ok(await publishSos(near, n), 'through the node that reaches Redis')
      t.ok(await publishSos(far, n + 1), 'through the one that does not')
    }
    t.ok(await publishSos(far, 5), 'the same report on both sides is one')
    t.equal((await createPhone(here, alice).get('/v1/sdk/sos')).status, 200)
    t.equal((await createPhone(apart, alice).get('/v1/sdk/sos')).status, 503)

    proxy.heal()
    await untilReady(apart)
    const copies = await events.until((seen) => seen.length >= 6)
    const log = await readEventLog(redis)
    t.strictSame(log.map(({ report }) => report?.timestamp).toSorted(), [1, 2, 3, 4, 5, 6].map(timestampOf))
    t.equal(new Set(log.map(({ incidentId }) => incidentId)).size, 1)
    t.strictSame(
      copies.map(({ eventId }) => eventId),
      log.map(({ eventId }) => eventId),
      'a session behind the partition hears of each once, in order',
    )
    const { incident } = (await createPhone(apart, alice).get('/v1/sdk/sos')).json as {
      incident: { id: string; timestamp: string }
    }
    t.equal(incident.id, log[0]?.incidentId)
    await proxy.stop()
  },
)

t.test('kill -9 of one node: sessions of the other notice nothing, its own go on there', async (t) => {
  const dying = await startBroker(t, { env: { REDIS_URL: redis.url, STORE_TIMEOUT_MS, APPS_FILE } })
  const [bob, carol] = [here.credentials('bob'), here.credentials('carol')]
  const staying = await logIn(t, here.ports.mqtt, bob, { protocolVersion: 5, clientId: 'staying' })
  const stayingEvents = await subscribeToEvents(staying, ['sos/events/bob'])
  const bobThere = await logIn(t, dying.ports.mqtt, bob)
  const carolThere = await logIn(t, dying.ports.mqtt, carol)
  const carolEvents = await subscribeToEvents(carolThere, ['sos/events/carol'])
  t.ok(await publishSos(carolThere, 101))
  await carolEvents.until((seen) => seen.length === 1)

  // Killed while both publish as fast as they are answered: some hundred reports.
  const acknowledged: Record<string, number[]> = { bob: [], carol: [101] }
  const publishUntilKilled = async (client: RawClient, name: string, from: number) => {
    for (let n = from; await publishSos(client, n); n++) acknowledged[name]?.push(n)
  }
  const publishing = [publishUntilKilled(bobThere, 'bob', 200), publishUntilKilled(carolThere, 'carol', 300)]
  await stayingEvents.until((seen) => seen.length >= 10)
  await dying.stop('SIGKILL')
  await Promise.all(publishing)

  const carolHere = await logIn(t, here.ports.mqtt, carol)
  const moved = await subscribeToEvents(carolHere, ['sos/events/carol'])
  const open = (await createPhone(here, carol).get('/v1/sdk/sos')).json as { incident: { id: string } }
  t.equal(
    open.incident.id,
    carolEvents.copies[0]?.incidentId,
    'the events of the gap are in what GET answers',
  )
  t.ok(await publishSos(carolHere, 40_000))
  t.match((await moved.until((seen) => seen.length > 0)).at(-1), {
    occurredAt: timestampOf(40_000),
    incidentId: open.incident.id,
  })
  acknowledged.carol?.push(40_000)
  t.ok(await publishSos(await logIn(t, here.ports.mqtt, bob), 50_000))
  acknowledged.bob?.push(50_000)

  const heard = await stayingEvents.until((seen) => seen.at(-1)?.occurredAt === timestampOf(50_000))
  const log = await readEventLog(redis)
  const logOf = (name: string) => log.filter(({ externalUserId }) => externalUserId === name)
  t.strictSame(
    heard.map(({ eventId }) => eventId),
    logOf('bob').map(({ eventId }) => eventId),
    'the session that stayed heard every event once, in order',
  )
  for (const name of ['bob', 'carol']) {
    const stored = logOf(name).map(({ report }) => report?.timestamp)
    t.equal(new Set(stored).size, stored.length, `${name}: none twice`)
    t.strictSame(
      acknowledged[name]?.filter((n) => !stored.includes(timestampOf(n))),
      [],
      `${name}: none of ${acknowledged[name]?.length} acknowledged ones is missing`,
    )
    t.equal(new Set(logOf(name).map(({ incidentId }) => incidentId)).size, 1)
  }
  staying.sendPacket({ cmd: 'pingreq' })
  t.equal((await staying.nextOf('pingresp')).cmd, 'pingresp', 'on the same connection')
})

/** A unix socket before Redis that can be cut: nobody gets through, and what is open is gone. */
async function startProxy(t: Test, { url }: RedisServer) {
  const path = join(temporaryDirectory(t), 'proxy.sock')
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((client) => {
    if (isCut) return client.destroy()
    const upstream = connect(url)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(socket)
          client.destroy()
          upstream.destroy()
        })
    }
    client.pipe(upstream).pipe(client)
  })
  server.listen(path)
  await once(server, 'listening')
  const cut = () => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
  const stop = async () => {
    cut()
    server.close()
  }
  t.teardown(stop)
  return { url: path, cut, heal: () => (isCut = false), stop }
}

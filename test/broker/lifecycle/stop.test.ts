import { connect } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { startBroker } from '../../support/broker.js'
import { createPhone } from '../../support/http.js'
import { publishPacket, readEventLog, sosPayload, timestampOf } from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import { startRedis } from '../../support/redis.js'
import { openEmbeddedAt, STORE_KINDS } from '../../support/stores.js'

// A client that has to go gets its answers for three seconds, and one user's reports are commits one after the other:
// so few that a slow disk can do them.
const REPORTS = 50

for (const kind of STORE_KINDS) {
  t.test(
    `${kind}: SIGTERM in the middle of many reports: stored is acknowledged, acknowledged is stored`,
    async (t) => {
      const redis = kind === 'redis' ? await startRedis(t) : null
      const broker = await startBroker(t, { env: redis ? { REDIS_URL: redis.url } : {} })
      const versions = [5, 4] as const
      const clients = await Promise.all(
        versions.map((protocolVersion) =>
          logIn(t, broker.ports.mqtt, broker.credentials(`v${protocolVersion}`), { protocolVersion }),
        ),
      )
      for (const client of clients) {
        client.socket.cork() // in as few segments as they fit into
        for (let n = 1; n <= REPORTS; n++) client.sendPacket(publishPacket('sos/alerts', sosPayload(n), n))
        client.socket.uncork()
      }
      const first = await clients[0]!.next()
      const stopped = broker.stop('SIGTERM')
      const [modern, classic] = await Promise.all(clients.map((client) => client.untilClosed()))
      t.equal(await stopped, 0)
      t.match(modern!.at(-1), { cmd: 'disconnect', reasonCode: 0x8b }, 'the last word to a 5.0 client')
      t.ok(
        classic!.every(({ cmd }) => cmd === 'puback'),
        '3.1.1 gets its PUBACKs and is closed',
      )

      const log = redis ? await readEventLog(redis) : await readEmbeddedLog(broker.dataDir)
      for (const [name, packets] of [
        ['v5', [first, ...modern!]],
        ['v4', classic!],
      ] as const) {
        const acknowledged = packets.flatMap((packet) =>
          packet.cmd === 'puback' ? [timestampOf(packet.messageId as number)] : [],
        )
        const stored = log
          .filter((event) => event.externalUserId === name)
          .map(({ report }) => report?.timestamp)
        t.strictSame(acknowledged.toSorted(), stored.toSorted(), `${name}: ${stored.length} of ${REPORTS}`)
      }
    },
  )

  async function readEmbeddedLog(dataDir: string) {
    return (await openEmbeddedAt(t, join(dataDir, 'store'))).events.readLatest('demo-app', 1_000)
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal}: every idle client is told, every port closes, and the exit code is 0`, async (t) => {
    const broker = await startBroker(t)
    const { mqtt } = broker.ports
    const modern = await logIn(t, mqtt, broker.credentials('alice'), { protocolVersion: 5 })
    const classic = await logIn(t, mqtt, broker.credentials('alice'))
    const silent = connect({ port: mqtt, host: '127.0.0.1' })
    await once(silent, 'connect')
    silent.resume()
    const silentEnded = once(silent, 'close')
    const stopped = broker.stop(signal)
    t.match(await modern.untilClosed(), [{ cmd: 'disconnect', reasonCode: 0x8b }])
    t.strictSame(await classic.untilClosed(), [])
    await silentEnded
    t.equal(await stopped, 0)
    t.ok(broker.log.some((line) => line.msg === 'stopping' && line.signal === signal))
    t.equal(broker.log.at(-1)?.msg, 'stopped')
    for (const port of Object.values(broker.ports).filter((value) => typeof value === 'number')) {
      const [error] = (await once(connect({ port, host: '127.0.0.1' }), 'error')) as [NodeJS.ErrnoException]
      t.equal(error.code, 'ECONNREFUSED')
    }
  })
}

t.test('SIGTERM while an SOS by HTTP is being stored: it is answered, then the broker ends', async (t) => {
  const redis = await startRedis(t)
  const broker = await startBroker(t, { env: { REDIS_URL: redis.url } })
  const phone = createPhone(broker, broker.credentials('alice'))
  await redis.client.call('CLIENT', 'PAUSE', '60000', 'WRITE')
  const answered = phone.post('/v1/sdk/sos', JSON.parse(sosPayload(1)))
  await broker.logged(({ msg }) => msg === 'sos received')
  const stopped = broker.stop()
  const { status, json } = await answered
  t.equal(status, 200, 'from the journal')
  t.match(json, { incident: { status: 'active' } })
  await redis.client.call('CLIENT', 'UNPAUSE')
  t.equal(await stopped, 0)
  t.notOk(broker.log.some(({ msg }) => msg?.startsWith('HTTP requests under way were given up')))
})

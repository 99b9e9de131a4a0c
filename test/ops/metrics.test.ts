import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, startBroker } from '../support/broker.js'
import { readExposed } from '../support/exposed-metrics.js'
import { metricsUntil, readMetrics } from '../support/metrics.js'
import { connectPhone } from '../support/phone.js'
import { sosPayload } from '../support/publishing.js'
import { connectRaw, logIn } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'

t.test(
  'docs/metrics.md names every metric of a live broker, with its type and labels, and no other',
  async (t) => {
    const broker = await startBroker(t, {
      env: { REDIS_URL: (await startRedis(t)).url, CONNECT_TIMEOUT_MS: '60000' },
    })
    await useEverything(broker)
    const page = await (await fetch(`http://127.0.0.1:${broker.ports.admin}/metrics`)).text()
    const exposed = readExposed(page)
    const described = readDescribed()
    t.ok(described.size > 30)
    const own = [...exposed.keys()].filter((name) => name.startsWith('connect_broker_'))
    t.strictSame(
      own.filter((name) => !described.has(name)),
      [],
      'all that are exposed are described',
    )
    for (const [name, { type, labels }] of described) {
      const metric = exposed.get(name)
      t.equal(metric?.type, type, `${name} is a ${type}`)
      t.ok((metric?.samples ?? 0) > 0 || MAY_HAVE_NO_SAMPLE.includes(name), `${name} has a sample`)
      if ((metric?.samples ?? 0) > 0)
        t.strictSame([...(metric?.labels ?? [])].toSorted(), labels, `${name}: labels`)
    }

    await t.test(
      'connections are told by transport and version, latency of SOS and telemetry apart',
      async (t) => {
        const read = await readMetrics(broker)
        const connections = (transport: string, version: string) =>
          read('connect_broker_connections', { transport, version })
        t.equal(connections('tcp', '5.0'), 1)
        t.equal(connections('tcp', '3.1.1'), 1)
        t.equal(connections('tcp', 'none'), 1)
        t.equal(read('connect_broker_puback_seconds_count', { kind: 'sos' }), 2)
        t.equal(
          read('connect_broker_puback_seconds_count', { kind: 'telemetry' }),
          1,
          'what was dropped is not timed',
        )
        t.equal(read('connect_broker_store_seconds_count', { operation: 'telemetry-append' }), 1)
        t.ok(read('connect_broker_store_seconds_count', { operation: 'incident-change' }) >= 2)
        t.equal(read('connect_broker_open_incidents', { app: 'demo-app' }), 1)
        t.equal(read('connect_broker_redis_up'), 3)
        t.equal(read('connect_broker_store_durable'), 1)
        t.equal(read('connect_broker_event_lag_seconds_count', { type: 'processed' }), 2)
      },
    )

    /** So that each label has a value. */
    async function useEverything({ ports, credentials, logged }: typeof broker): Promise<void> {
      const phone = await connectPhone(t, ports.mqtt, credentials('alice'))
      await phone.subscribe(phone.uuidTopic)
      await phone.publish('sos/alerts', sosPayload(1))
      await phone.nextEvent()
      await phone.publish('sos/alerts', '{"timestamp":"never"}')
      await phone.nextEvent()
      await phone.publish('tel/data', sosPayload(2))
      await phone.publish('tel/data', 'unreadable')
      await logIn(t, ports.mqtt, credentials('bob')) // 3.1.1
      const wrong = await connectRaw(t, ports.mqtt)
      wrong.send('10 00')
      await logged(({ clause }) => clause !== undefined)
      await wrong.untilClosed()
      await connectRaw(t, ports.mqtt) // sends nothing
      await fetch(`http://127.0.0.1:${ports.http}/docs`)
      await metricsUntil(broker, (read) => {
        const isCounted =
          read('connect_broker_open_incidents') === 1 && read('connect_broker_store_durable') === 1
        return isCounted && read('connect_broker_connections', { version: 'none' }) === 1
      })
    }
  },
)

/** Nothing happened that they count. */
const MAY_HAVE_NO_SAMPLE = [
  'connect_broker_connections_refused_total',
  'connect_broker_mesh_messages_total',
  'connect_broker_sessions_ended_total',
  'connect_broker_log_lines_suppressed_total',
  'connect_broker_webhook_attempts_total',
]

function readDescribed(): Map<string, { type: string; labels: string[] }> {
  const text = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
  const rows = text.split('\n').filter((line) => line.startsWith('| `'))
  return new Map(
    rows.map((row) => {
      const [, name = '', type = '', unit = '', labels = '', meaning = '', worry = ''] = row
        .split('|')
        .map((cell) => cell.trim())
      if ([unit, meaning, worry].includes('')) throw new Error(`a cell of ${name} is empty`)
      return [
        name.replaceAll('`', ''),
        {
          type,
          labels: [...labels.matchAll(/`([^`]+)`/g)].map(([, label]) => label as string).toSorted(),
        },
      ]
    }),
  )
}

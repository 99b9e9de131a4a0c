import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startBroker } from '../../support/broker.js'
import type { Broker } from '../../support/broker.js'
import { temporaryDirectory } from '../../support/broker.js'
import {
  publishPacket,
  publishSos,
  sosPayload,
  subscribeToEvents,
  timestampOf,
} from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import type { RawClient } from '../../support/raw-client.js'
import { startRedis } from '../../support/redis.js'
import { openEmbeddedAt, openRedisAt, STORE_KINDS, user } from '../../support/stores.js'
import type { StoreKind } from '../../support/stores.js'

const CLIENTS = 8
const CYCLES = 2
const ACKNOWLEDGED_BEFORE_KILL = 60

for (const kind of STORE_KINDS) {
  t.test(`${kind}: kill -9 right after a PUBACK, and after the restart the incident is there`, async (t) => {
    const { start } = await createPlace(t, kind)
    const first = await start()
    const alice = first.credentials('alice')
    const client = await logIn(t, first.ports.mqtt, alice)
    const before = await subscribeToEvents(client, ['sos/events/alice'])
    t.ok(await publishSos(client, 1))
    const killed = first.stop('SIGKILL')
    t.equal(await killed, null, 'it was killed')

    const second = await start()
    const again = await logIn(t, second.ports.mqtt, alice)
    const after = await subscribeToEvents(again, ['sos/events/alice'])
    t.ok(await publishSos(again, 1), 'the same report again is a repeat, acknowledged without an event')
    t.ok(await publishSos(again, 2, 2))
    const [event] = await after.until((copies) => copies.length > 0)
    t.match(event, { type: 'processed', occurredAt: timestampOf(2), snapshotVersion: 2 })
    if (before.copies[0]) t.equal(event?.incidentId, before.copies[0].incidentId)
  })

  t.test(`${kind}: whatever was acknowledged before a kill -9 is stored, cycle after cycle`, async (t) => {
    const { start, readStored } = await createPlace(t, kind)
    const acknowledged = new Set<string>()
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const broker = await start()
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) =>
          logIn(t, broker.ports.mqtt, broker.credentials(`user-${i}`), {
            protocolVersion: i % 2 === 0 ? 5 : 4,
          }),
        ),
      )
      await Promise.all(
        clients.map((client, i) => publishUntilKilled(client, broker, cycle, `user-${i}`, acknowledged)),
      )
      await broker.stop('SIGKILL')
      const stored = await readStored()
      t.strictSame(
        [...acknowledged].filter((message) => !stored.has(message)),
        [],
        `nothing of ${acknowledged.size} acknowledged messages is missing`,
      )
      t.ok(acknowledged.size >= ACKNOWLEDGED_BEFORE_KILL * (cycle + 1))
    }
  })
}

/** Keeps eight publications on their way, SOS and telemetry in turn; whoever gets the deciding PUBACK kills. */
async function publishUntilKilled(
  client: RawClient,
  broker: Broker,
  cycle: number,
  name: string,
  acknowledged: Set<string>,
): Promise<void> {
  const target = ACKNOWLEDGED_BEFORE_KILL * (cycle + 1)
  let sent = 0
  const publish = () => {
    const messageId = ++sent
    const n = cycle * 1_000_000 + messageId
    const [topic, payload] = messageId % 2 === 0 ? ['tel/data', sosPayload(n)] : ['sos/alerts', sosPayload(n)]
    client.sendPacket(publishPacket(topic as string, payload as string, messageId))
  }
  for (let i = 0; i < 8; i++) publish()
  try {
    for (;;) {
      const { messageId } = await client.nextOf('puback')
      const kind = (messageId as number) % 2 === 0 ? 'telemetry' : 'sos'
      acknowledged.add(`${kind} ${name} ${timestampOf(cycle * 1_000_000 + (messageId as number))}`)
      if (acknowledged.size >= target) broker.child.kill('SIGKILL')
      publish()
    }
  } catch {
    // the broker is dead
  }
}

async function createPlace(t: Test, kind: StoreKind) {
  const dataDir = temporaryDirectory(t)
  const redis = kind === 'redis' ? await startRedis(t) : null
  const env = redis ? { REDIS_URL: redis.url } : {}
  return {
    start: () => startBroker(t, { dataDir, env }),
    /** Opens the dead broker's store and reads every message in it. */
    async readStored(): Promise<Set<string>> {
      const store = redis ? await openRedisAt(t, redis.url) : await openEmbeddedAt(t, join(dataDir, 'store'))
      const events = await store.events.readLatest('demo-app', 100_000)
      const telemetry = await store.telemetry.readLatest('demo-app', 100_000)
      const open = await store.incidents.readOpen(user('user-0'))
      const ofUser = events.filter(({ externalUserId }) => externalUserId === 'user-0')
      t.equal(open?.reports, ofUser.length, 'the incident has counted in what its events tell')
      await store.stop()
      return new Set([
        ...events.map(({ externalUserId, report }) => `sos ${externalUserId} ${report?.timestamp}`),
        ...telemetry.map(({ externalUserId, occurredAt }) => `telemetry ${externalUserId} ${occurredAt}`),
      ])
    },
  }
}

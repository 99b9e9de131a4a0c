import { join } from 'node:path'
import t from 'tap'
import { startBroker } from '../../support/broker.js'
import {
  publishSos,
  publishSosUntilStored,
  readEventLog,
  subscribeToEvents,
  timestampOf,
} from '../../support/publishing.js'
import type { EventCopy } from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import { startRedis } from '../../support/redis.js'
import { user } from '../../support/stores.js'

// Two brokers with the same apps, and a Redis between them.
const redis = await startRedis(t)
const here = await startBroker(t, { env: { REDIS_URL: redis.url } })
const there = await startBroker(t, {
  env: { REDIS_URL: redis.url, APPS_FILE: join(here.dataDir, 'apps.json') },
})

t.test('contract 7: a report through one node reaches the session on the other, once per form', async (t) => {
  const forms = formsOf('alice')
  const reporter = await logIn(t, here.ports.mqtt, here.credentials('alice'))
  const listener = await logIn(t, there.ports.mqtt, here.credentials('alice'), { protocolVersion: 5 })
  const stranger = await logIn(t, there.ports.mqtt, here.credentials('bob'))
  const events = await subscribeToEvents(listener, forms)
  const foreign = await subscribeToEvents(stranger, ['sos/events/bob'])
  for (let n = 1; n <= 5; n++) t.ok(await publishSos(reporter, n, n))
  const bob = await logIn(t, here.ports.mqtt, here.credentials('bob'))
  t.ok(await publishSos(bob, 6))

  const copies = await events.until(hasAll(forms, 5))
  t.strictSame(
    copies.map(({ topic, userId, occurredAt }) => [topic, userId, occurredAt]),
    [1, 2, 3, 4, 5].flatMap((n) => [
      [forms[0], user('alice').userId, timestampOf(n)],
      [forms[1], 'alice', timestampOf(n)],
    ]),
  )
  t.equal(new Set(copies.map(({ eventId }) => eventId)).size, 5, 'both copies carry the same eventId')
  t.equal(new Set(copies.map(({ incidentId }) => incidentId)).size, 1)
  t.strictSame(
    (await foreign.until((seen) => seen.length > 0)).map(({ occurredAt }) => occurredAt),
    [timestampOf(6)],
    'another user on the same node heard of his own only',
  )
})

t.test('reports of one user through both nodes at once are one incident', async (t) => {
  const phones = await Promise.all(
    [here, there].map((node) => logIn(t, node.ports.mqtt, here.credentials('carol'))),
  )
  const events = await subscribeToEvents(
    await logIn(t, here.ports.mqtt, here.credentials('carol')),
    formsOf('carol').slice(0, 1),
  )
  await Promise.all(
    phones.map(async (phone, i) => {
      for (let n = 0; n < 20; n++) t.ok(await publishSos(phone, n * 2 + i, n + 1))
    }),
  )
  const copies = await events.until((seen) => seen.length === 40)
  t.strictSame(
    copies.map(({ snapshotVersion }) => snapshotVersion),
    Array.from({ length: 40 }, (_, i) => i + 1),
  )
  t.equal(new Set(copies.map(({ incidentId }) => incidentId)).size, 1)
})

for (const trouble of ['its Redis connections are killed', 'Redis is restarted'] as const) {
  t.test(`a session hears every event once, in order, also when ${trouble}`, async (t) => {
    const name = trouble === 'Redis is restarted' ? 'dave' : 'erin'
    const forms = formsOf(name)
    const listener = await logIn(t, there.ports.mqtt, here.credentials(name), { protocolVersion: 5 })
    const events = await subscribeToEvents(listener, forms)
    const report = (n: number) =>
      publishSosUntilStored(() => logIn(t, here.ports.mqtt, here.credentials(name)), n)
    await report(1)
    for (let round = 1; round <= 3; round++) {
      if (trouble === 'Redis is restarted') {
        await redis.stop()
        await redis.start()
      } else {
        while (Number(await redis.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')) === 0);
      }
      for (let n = 0; n < 5; n++) await report(round * 10 + n)
    }
    await events.until(hasAll(forms, 34))
    const log = (await readEventLog(redis)).filter(({ externalUserId }) => externalUserId === name)
    t.equal(log.length, 16)
    for (const form of forms) {
      t.strictSame(
        events.copies.filter(({ topic }) => topic === form).map(({ eventId }) => eventId),
        log.map(({ eventId }) => eventId),
        form,
      )
    }
  })
}

function formsOf(externalUserId: string): string[] {
  return [`sos/events/${user(externalUserId).userId}`, `sos/events/${externalUserId}`]
}

function hasAll(forms: string[], n: number) {
  return (copies: EventCopy[]) =>
    forms.every((form) =>
      copies.some(({ topic, occurredAt }) => topic === form && occurredAt === timestampOf(n)),
    )
}

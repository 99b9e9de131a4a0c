import { randomUUID } from 'node:crypto'
import { mock } from 'node:test'
import t from 'tap'
import type { Test } from 'tap'
import { createReplay } from '../../handlers/replay.js'
import { createLog } from '../../ops/log.js'
import { createAvailability } from '../../store/availability.js'
import { openJournal } from '../../store/journal/journal.js'
import type { User } from '../../store/user.js'
import { temporaryDirectory } from '../support/broker.js'
import { sosPayload } from '../support/publishing.js'
import { user } from '../support/stores.js'

/** What a report that is refused again and again waits for in the end. */
const LONG_MS = 5_000
const { log } = createLog({ level: 'silent', isTerminal: false })

for (const what of ['a new report', 'the end of an outage'] as const) {
  t.test(`${what} does not wait as long as a report that the store refuses again and again`, async (t) => {
    const pauses = mockPauses(t)
    const journal = openJournal({
      directory: temporaryDirectory(t),
      telemetryBytesMax: 1_000_000,
      onTelemetryDropped() {},
      log,
    })
    let isFull = true
    const tried = listen()
    const replay = createReplay({
      journal,
      async takeSos({ user: { externalUserId } }) {
        tried.hear(externalUserId)
        if (externalUserId === 'alice' || isFull) throw new Error('refused')
        return { is: 'accepted', notes: [] }
      },
      late: { async append() {} },
      availability: createAvailability({
        probe: async () => {},
        limitMs: 1,
        onBack() {},
        isOutage: () => false,
        log,
      }),
      onReplayed(_kind, count) {
        if (count > 0) tried.hear('stored')
      },
      log,
    })
    await journal.addSos(entryOf(user('alice')))
    if (what === 'the end of an outage') await journal.addSos(entryOf(user('bob')))
    replay.wake()
    while (pauses.lastMs < LONG_MS) await pauses.end()
    const stored = tried.next('stored')
    isFull = false
    if (what === 'a new report') {
      await journal.addSos(entryOf(user('bob')))
      replay.wake()
    } else replay.wake(true)
    t.ok(pauses.lastMs < LONG_MS, `the pause is ${pauses.lastMs} ms now`)
    void pauses.end()
    await stored
    t.notOk(journal.holdsSosOf(user('bob')))
    t.ok(journal.holdsSosOf(user('alice')))
    await replay.stop()
    await journal.stop()
  })
}

/** Timers that end when the test says so. `end` resolves when the next pause has begun. */
function mockPauses(t: Test) {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let begun: () => void = () => {}
  const pauses = {
    lastMs: 0,
    async end(): Promise<void> {
      const next = new Promise<void>((resolve) => (begun = resolve))
      mock.timers.tick(pauses.lastMs)
      await next
    },
  }
  const { setTimeout: start } = globalThis
  globalThis.setTimeout = ((task: () => void, ms: number) => {
    pauses.lastMs = ms
    begun()
    return start(task, ms)
  }) as typeof setTimeout
  return pauses
}

function listen() {
  const waiting = new Map<string, () => void>()
  return {
    hear: (what: string) => waiting.get(what)?.(),
    next: (what: string) => new Promise<void>((resolve) => waiting.set(what, resolve)),
  }
}

function entryOf(who: User) {
  return {
    user: who,
    way: 'mqtt' as const,
    payload: Buffer.from(sosPayload(1)).toString('base64'),
    receivedAt: new Date().toISOString(),
    incidentId: randomUUID(),
    eventId: randomUUID(),
  }
}

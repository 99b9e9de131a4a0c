import { randomUUID } from 'node:crypto'
import { mock } from 'node:test'
import t from 'tap'
import { createReplay } from '../../handlers/replay.js'
import { createLog } from '../../ops/log.js'
import { createAvailability } from '../../store/availability.js'
import { openJournal } from '../../store/journal/journal.js'
import type { User } from '../../store/user.js'
import { temporaryDirectory } from '../support/broker.js'
import { sosPayload } from '../support/publishing.js'
import { user } from '../support/stores.js'

const { log } = createLog({ level: 'silent', isTerminal: false })

for (const what of ['a new report', 'the end of an outage'] as const) {
  t.test(`${what} does not wait as long as a report that the store refuses again and again`, async (t) => {
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
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
    // Each round ends a pause, however long it has become.
    for (let round = 0; round < 9; round++) {
      const trial = tried.next('alice')
      await untilTicked(trial, 10_000)
    }
    const stored = tried.next('stored')
    isFull = false
    if (what === 'a new report') {
      await journal.addSos(entryOf(user('bob')))
      replay.wake()
    } else replay.wake(true)
    await untilTicked(stored, 1, 5_000)
    t.notOk(journal.holdsSosOf(user('bob')), 'within half of the longest pause')
    t.ok(journal.holdsSosOf(user('alice')))
    await replay.stop()
    await journal.stop()
  })
}

/** Lets time pass in steps until it has happened, or until so much has passed. */
async function untilTicked(happened: Promise<unknown>, stepMs: number, limitMs = Infinity): Promise<void> {
  const state = { has: false }
  void happened.then(() => (state.has = true))
  for (let passedMs = 0; !state.has && passedMs < limitMs; passedMs += stepMs) {
    mock.timers.tick(stepMs)
    await new Promise((resolve) => setImmediate(resolve))
  }
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

import { setTimeout as pause } from 'node:timers/promises'
import type { AppWebhook } from '../auth/apps.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import { nextRing } from '../store/event-bell.js'
import type { EventBell } from '../store/event-bell.js'
import { toEventJson } from '../store/event-json.js'
import type { NoteDelivery } from '../store/delivery-notes.js'
import { isDrill } from '../store/drill-user.js'
import type { EventLog, LifecycleEvent } from '../store/store.js'
import { addGap, placeBefore } from '../store/webhooks.js'
import type { WebhookGap, WebhookName, WebhookState, WebhookStore } from '../store/webhooks.js'
import { within } from '../store/within.js'
import { findBeginning } from './beginning.js'
import type { Memory } from './beginning.js'
import { createLanes } from './lanes.js'
import type { Item, Lane } from './lanes.js'
import { createPlaceKeeper } from './place-keeper.js'
import { findGap, findLoss, readHeld } from './read-log.js'
import { createSchedule } from './schedule.js'
import type { Attempt, Send } from './send.js'
import { signDelivery } from './sign.js'

export interface RunOptions {
  name: WebhookName
  /** As the apps file has it now; undefined when it is gone from there. */
  webhook: () => AppWebhook | undefined
  /** Names this node. */
  holder: string
  /** Whether the lease is still ours by this node's own clock. */
  isLeaseHeld: () => boolean
  /** Asks for the lease once more. */
  lease: () => Promise<boolean>
  /** What this node knows of the web hook's place, for a store that has forgotten it. */
  memory: { get: () => Memory | null; set: (state: WebhookState) => void }
  events: EventLog
  store: WebhookStore
  send: Send
  /** Event ids that this node has delivered: after a lease that was lost and won again they are not sent twice. */
  delivered: { has: (eventId: string) => boolean; add: (eventId: string) => void }
  retryMs: number
  giveUpMs: number
  bell: EventBell
  note: NoteDelivery
  log: Log
  metrics: Metrics
}

export interface Run {
  /** Resolves when it has ended, by a stop or because the lease is no longer ours. */
  ended: Promise<void>
  /** Lets what is under way come to its end, for a moment, and writes down where to go on. */
  stop(): Promise<void>
  /** The lease is gone: nothing more is sent or written. */
  abandon(): void
  held(): { count: number; since: string | null }
}

/**
 * Delivers an app's events to one web hook, for as long as this node has its lease: those of an incident one after the
 * other, those of different incidents side by side. An incident that fails waits and holds up nobody else.
 */
export async function startRun(options: RunOptions): Promise<Run> {
  const { name, webhook, holder, isLeaseHeld, events, store, send, delivered, bell, log, metrics } = options
  const { appId } = name
  const known = await store.read(name)
  const { first, loss: before } = await findBeginning({ appId, known, memory: options.memory.get(), events })
  if (before) tellLoss(before)
  const lanes = createLanes(first.position)
  const [ending, sending] = [new AbortController(), new AbortController()]
  const place = createPlaceKeeper({
    name,
    holder,
    store,
    stateNow,
    // A store that was emptied has forgotten the lease too, which by our clock is still ours.
    regain: async () => isLeaseHeld() && (await options.lease()),
    onLost: abandon,
    log,
    metrics,
  })
  const schedule = createSchedule((lane) =>
    deliver(lane).catch((error: Error) => {
      log.debug({ reason: error.message }, 'event log cannot be read for a web hook')
      schedule.retryAfter(lane, STORE_RETRY_MS)
    }),
  )
  let { deliveredAt, failure, gaps } = first
  let failuresInARow = 0
  /** Told once until everything is taken again. */
  const loggedReasons = new Set<string>()
  let isLost = false
  let wakeReader = () => {}

  async function deliver(lane: Lane): Promise<void> {
    const item = lane.items[0] as Item
    const config = webhook()
    if (!config || !isLeaseHeld()) return abandon()
    const event = item.event ?? (await readAgain(item))
    // A drill is the broker's own affair: nobody is to be sent out for it.
    if (!event || isDrill(event) || delivered.has(event.eventId)) return finish(lane)
    const body = JSON.stringify(toEventJson({ logId: item.logId, event }))
    const headers = signDelivery(config.secrets, event.eventId, body, new Date())
    const attempt = await send(config.url, headers, body, sending.signal)
    if (attempt.is === 'delivered') onDelivered(lane, event)
    else if (!sending.signal.aborted) onFailed(lane, { logId: item.logId, event }, attempt)
  }

  function onDelivered(lane: Lane, event: LifecycleEvent): void {
    delivered.add(event.eventId)
    options.note(event, { webhookId: name.webhookId, attempts: lane.attempts + 1 })
    metrics.webhookAttempts.inc({ outcome: 'delivered' })
    deliveredAt = new Date().toISOString()
    const wasDown = failuresInARow >= DOWN_AFTER
    failuresInARow = 0
    finish(lane)
    if (loggedReasons.size > 0 && lanes.heldCount === 0) {
      log.info('web hook takes everything again')
      loggedReasons.clear()
    }
    // It was all of the receiver that failed, and it is back.
    if (wasDown) schedule.retryAll()
  }

  function onFailed(
    lane: Lane,
    { logId, event }: { logId: string; event: LifecycleEvent },
    { why }: Extract<Attempt, { is: 'failed' }>,
  ): void {
    const at = new Date().toISOString()
    const { eventId, incidentId } = event
    metrics.webhookAttempts.inc({ outcome: 'failed' })
    lane.attempts++
    failuresInARow++
    if (!loggedReasons.has(why))
      log.warn({ incidentId, eventId, reason: why }, 'web hook fails; it is tried again')
    loggedReasons.add(why)
    const isNews = lane.heldSince === null || failure?.reason !== why
    if (isNews) failure = { at, reason: why }
    const isOld = Date.now() - Date.parse(event.at) >= options.giveUpMs
    if (isOld && lane.attempts >= ATTEMPTS_MIN) {
      metrics.webhookAttempts.inc({ outcome: 'given-up' })
      log.error({ incidentId, eventId, reason: why }, 'web hook gives an event up; it is a dead letter')
      options.note(event, { webhookId: name.webhookId, attempts: lane.attempts, gaveUp: why })
      place.add({ logId, event, at, attempts: lane.attempts, reason: why })
      return finish(lane)
    }
    lanes.hold(lane, at)
    if (isNews) void place.save()
    const delay = Math.min(options.retryMs * 2 ** (lane.attempts - 1), options.retryMs * RETRY_FACTOR_MAX)
    schedule.retryAfter(lane, delay * (0.8 + Math.random() * 0.4))
  }

  function finish(lane: Lane): void {
    if (lanes.finish(lane)) schedule.enqueue(lane)
    wakeReader()
    void place.save()
  }

  async function readAgain({ logId, isLost: isGone }: Item): Promise<LifecycleEvent | null> {
    if (isGone) return null // told when the log was found to be another one
    const after = placeBefore(logId)
    const [logged] = await events.readAfter(appId, after, 1)
    if (logged?.logId === logId) return logged.event
    noteGap({ after, before: logged?.logId ?? logId, at: new Date().toISOString() })
    return null
  }

  function noteGap(gap: WebhookGap): void {
    gaps = addGap(gaps, gap)
    metrics.webhookGaps.inc()
    log.error(gap, 'web hook was behind for longer than the event log reaches; events are missed')
  }

  function tellLoss(loss: WebhookGap): void {
    metrics.webhookGaps.inc()
    log.error(loss, 'the event log was lost; the web hook goes on with what is there now')
  }

  async function readOn(): Promise<void> {
    for await (const item of readHeld(events, appId, first)) {
      if (ending.signal.aborted) return
      lanes.addHeld(item, first.held[item.incidentId]?.since ?? new Date().toISOString())
    }
    for (const lane of lanes.all()) schedule.enqueue(lane)
    for (let after = first.position; !ending.signal.aborted;) {
      if (lanes.heldCount >= HELD_MAX || lanes.ahead >= AHEAD_MAX) {
        await new Promise<void>((resolve) => (wakeReader = resolve))
        continue
      }
      // Armed before reading: an event between reading and waiting would be found only with the next one.
      const ring = nextRing(bell, appId, LOOK_MS)
      wakeReader = ring.cancel
      const logged = await events.readAfter(appId, after, BATCH)
      const loss = logged.length === 0 ? await findLoss(events, appId, after, new Date()) : null
      if (logged.length === 0 && !loss) await ring.rung
      ring.cancel()
      if (loss) {
        gaps = addGap(gaps, loss)
        tellLoss(loss)
        // From its beginning: what was delivered before and is still there is known by its event id, or comes twice.
        lanes.restart('0')
        after = '0'
        await place.save()
      }
      if (logged.length === 0) continue
      const gap = await findGap(events, appId, after, new Date())
      if (gap) noteGap(gap)
      for (const { logId, event } of logged) {
        const item = { logId, incidentId: event.incidentId, event, isDone: false }
        const lane = lanes.add(item)
        after = logId
        if (lane) schedule.enqueue(lane)
      }
    }
  }

  function stateNow(): WebhookState {
    const state = {
      ...lanes.snapshot(),
      gaps,
      ...(deliveredAt === undefined ? {} : { deliveredAt }),
      ...(failure === undefined ? {} : { failure }),
    }
    options.memory.set(state)
    return state
  }

  function abandon(): void {
    isLost = true
    place.stop()
    sending.abort()
    end()
  }

  function end(): void {
    ending.abort()
    wakeReader()
    schedule.stop()
  }

  await place.save()
  const reading = (async () => {
    while (!ending.signal.aborted) {
      try {
        await readOn()
      } catch (error) {
        log.debug({ reason: (error as Error).message }, 'event log cannot be read for a web hook')
        return abandon()
      }
    }
  })()
  const ended = (async () => {
    await reading
    await Promise.race([schedule.idle(), pause(isLost ? 0 : STOP_GRACE_MS, undefined, { ref: false })])
    sending.abort()
    await schedule.idle()
    if (isLost) return
    for (const lane of lanes.all()) lanes.hold(lane, new Date().toISOString())
    await within(STOP_STORE_MS, place.save()).catch(() => {}) // then some events come twice
  })()
  return {
    ended,
    abandon,
    async stop() {
      end()
      await ended
    },
    held: () => ({ count: lanes.heldCount, since: lanes.oldestHeld }),
  }
}

/** Incidents that may be left behind. With more it is the receiver that fails, and the log itself is the queue. */
const HELD_MAX = 256
/** Entries under way behind the position: what a crash sends again at most. */
const AHEAD_MAX = 200
const BATCH = 100
/** The bell rings for every event that is followed; this is for what a reader in trouble missed. */
const LOOK_MS = 5_000
/** An event that was old already when its turn came is tried for some seconds too. */
const ATTEMPTS_MIN = 5
/** 30 s with the default: as long as an SOS waits at most once its receiver is back. */
const RETRY_FACTOR_MAX = 30
/** Failures without a success in between, by which a receiver is known to be away altogether. */
const DOWN_AFTER = 10
const STORE_RETRY_MS = 1_000
const STOP_GRACE_MS = 1_500
/** A store that does not answer must not hold up a stop. */
const STOP_STORE_MS = 1_000

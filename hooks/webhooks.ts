import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { AppRegistry, AppWebhook } from '../auth/apps.js'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import type { EventBell } from '../store/event-bell.js'
import { createLatestSet } from '../store/latest-set.js'
import type { NoteDelivery } from '../store/delivery-notes.js'
import type { EventLog } from '../store/store.js'
import type { DeadLetter, WebhookName, WebhookState, WebhookStore } from '../store/webhooks.js'
import { within } from '../store/within.js'
import type { Memory } from './beginning.js'
import type { KnownPlaces } from './places-file.js'
import { redeliver } from './redeliver.js'
import type { Redelivery } from './redeliver.js'
import { startRun } from './run.js'
import type { Run } from './run.js'
import { createSend } from './send.js'
import { readStatus } from './status.js'
import type { WebhookStatus } from './status.js'
import type { IsAllowed } from './target.js'

export interface Webhooks {
  /** Serves the web hooks that the apps file names, from now on as it changes. */
  start(): void
  stop(): Promise<void>
  /** The app's web hooks; the same on every node. @throws when the store cannot be read. */
  status(appId: string): Promise<WebhookStatus[]>
  /** Oldest first; null when the app has no such web hook. */
  deadLetters(name: WebhookName): Promise<DeadLetter[] | null>
  /** Tries dead letters once more, all or one; null when the app has no such web hook. */
  redeliver(name: WebhookName, eventId: string | undefined): Promise<Redelivery | null>
}

/**
 * Tells the partners' systems what is in the event log, at least once and in order per incident. Of several nodes one
 * has the lease of a web hook; when it dies another goes on from the place that is in the store.
 */
export function createWebhooks(options: {
  apps: Pick<AppRegistry, 'find' | 'appIds' | 'onChange'>
  events: EventLog
  store: WebhookStore
  /** What this node still knows when the store has forgotten it; undefined for a store that cannot. */
  places: KnownPlaces | undefined
  isAllowed: IsAllowed
  retryMs: number
  giveUpMs: number
  timeoutMs: number
  bell: EventBell
  note: NoteDelivery
  log: Log
  metrics: Metrics
}): Webhooks {
  const { apps, events, store, places, metrics } = options
  const holder = randomUUID()
  const { send, stop: stopSending } = createSend(options)
  const keepers = new Map<string, { run: Run | null; stop: () => Promise<void> }>()
  /** Of web hooks that were taken out of the file: one that comes back waits for them. */
  const stopping = new Map<string, Promise<void>>()
  let isStopped = false

  const find = ({ appId, webhookId }: WebhookName): AppWebhook | undefined => {
    const app = apps.find(appId)
    return app?.disabled ? undefined : app?.webhooks?.find(({ id }) => id === webhookId)
  }

  function reconcile(): void {
    if (isStopped) return
    const wanted = new Map<string, WebhookName>()
    for (const appId of apps.appIds())
      for (const { id } of apps.find(appId)?.webhooks ?? []) {
        const name = { appId, webhookId: id }
        if (find(name)) wanted.set(`${appId}:${id}`, name)
      }
    for (const [key, keeper] of keepers)
      if (!wanted.has(key)) {
        keepers.delete(key)
        stopping.set(key, keeper.stop())
      }
    for (const [key, name] of wanted) if (!keepers.has(key)) keepers.set(key, keep(name, stopping.get(key)))
  }

  /** Asks for the lease again and again, and runs the web hook while this node has it. */
  function keep(name: WebhookName, before: Promise<void> | undefined) {
    const ending = new AbortController()
    const log = options.log.child({ appId: name.appId, webhook: name.webhookId })
    const delivered = createLatestSet<string>(DELIVERED_MAX)
    let remembered: Memory | null = null
    const memory = {
      get: () => remembered,
      set(state: WebhookState, at = new Date().toISOString()) {
        remembered = { state, at }
        places?.save(name, { position: state.position, at })
      },
    }
    const keeper: { run: Run | null; stop: () => Promise<void> } = {
      run: null,
      async stop() {
        ending.abort()
        await kept
      },
    }
    /** By `performance.now()`, from before Redis was asked: never later than what Redis thinks. */
    let leaseUntil = 0
    const lease = async (): Promise<boolean> => {
      const asked = performance.now()
      const isOurs = await store.lease(name, holder, LEASE_MS).catch((error: Error) => {
        log.debug({ reason: error.message }, 'lease of a web hook cannot be asked for')
        return null
      })
      if (isOurs) leaseUntil = asked + LEASE_MS
      else if (isOurs === false) leaseUntil = 0
      return leaseUntil > performance.now()
    }

    /**
     * Where a web hook begins that the store knows nothing of: where this node knew it to be before its restart, else at the
     * end of the log as it was when this node heard of the web hook. If the store was emptied since, nothing that came
     * later is taken for older than the web hook.
     */
    const noteBeginning = async () => {
      const place = places?.load(name)
      if (place) return memory.set({ position: place.position, held: {}, gaps: [] }, place.at)
      try {
        const known = await store.read(name)
        const position = known?.position ?? (await events.readEnd(name.appId))
        memory.set({ position, held: {}, gaps: [] })
      } catch (error) {
        log.debug({ reason: (error as Error).message }, 'event log cannot be read for a web hook')
      }
    }

    async function serve(): Promise<void> {
      const run = await startRun({
        ...options,
        name,
        webhook: () => find(name),
        holder,
        isLeaseHeld: () => leaseUntil > performance.now(),
        lease,
        memory,
        send,
        delivered,
        log,
      })
      keeper.run = run
      const renewing = (async () => {
        while (!ending.signal.aborted && keeper.run) {
          await Promise.race([run.ended, pauseUntil(ending.signal, LEASE_MS / 3)])
          if (!ending.signal.aborted && keeper.run && !(await lease())) run.abandon()
        }
        // What is under way when we stop still has a moment, and has to be written down.
        if (ending.signal.aborted && keeper.run) await run.stop()
      })()
      await run.ended
      keeper.run = null
      await renewing
    }

    const kept = (async () => {
      await before
      await noteBeginning()
      while (!ending.signal.aborted) {
        try {
          if (await lease()) await serve()
        } catch (error) {
          log.warn({ reason: (error as Error).message }, 'web hook cannot be served; it is tried again')
        }
        await pauseUntil(ending.signal, ASK_MS)
      }
      await within(RELEASE_MS, store.release(name, holder)).catch(() => {}) // it ends by itself
    })()
    return keeper
  }

  const runs = () => [...keepers.values()].flatMap(({ run }) => run ?? [])
  metrics.watchWebhooks(() => {
    const held = runs().map((run) => run.held())
    const oldest = held.flatMap(({ since }) => since ?? []).toSorted()[0]
    return {
      held: held.reduce((sum, { count }) => sum + count, 0),
      oldestHeldAt: oldest === undefined ? null : Date.parse(oldest),
    }
  })

  return {
    start() {
      reconcile()
      apps.onChange(reconcile)
    },
    async stop() {
      isStopped = true
      const all = [...stopping.values(), ...[...keepers.values()].map((keeper) => keeper.stop())]
      await within(STOP_MS, Promise.all(all)).catch(() => {}) // what is not written down is sent once more
      stopSending()
      await places?.stop()
    },
    async status(appId) {
      const hooks = apps.find(appId)?.webhooks ?? []
      return Promise.all(hooks.map((hook) => readStatus({ appId, hook, store, events })))
    },
    async deadLetters(name) {
      return find(name) ? store.readDead(name) : null
    },
    async redeliver(name, eventId) {
      const hook = find(name)
      return hook ? redeliver({ ...options, name, hook, send, eventId }) : null
    },
  }
}

function pauseUntil(signal: AbortSignal, ms: number): Promise<void> {
  return pause(ms, undefined, { signal }).catch(() => {})
}

/** A node that dies is replaced within that time and ASK_MS: an SOS is worth no longer wait. */
const LEASE_MS = 4_000
const ASK_MS = 500
/** A store that does not answer must not hold up a stop. */
const RELEASE_MS = 1_000
/** For deliveries that are under way, then for the store. */
const STOP_MS = 3_000
const DELIVERED_MAX = 10_000

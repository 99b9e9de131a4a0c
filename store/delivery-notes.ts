import type { Log } from '../ops/log.js'
import type { DeliveryNote, DeliveryStore } from './deliveries.js'
import type { LifecycleEvent } from './store.js'
import { within } from './within.js'

export type NoteDelivery = (event: LifecycleEvent, note: Omit<DeliveryNote, 'eventId' | 'at'>) => void

/**
 * Writes down who got which event, some at a time and apart from everything else: an event waits for none of it, and while
 * the store is away notes are lost rather than kept.
 */
export function createDeliveryNotes(options: { store: DeliveryStore; log: Log }) {
  const { store, log } = options
  let waiting = new Map<string, { appId: string; incidentId: string; notes: DeliveryNote[] }>()
  let count = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(all: typeof waiting): Promise<void> {
    try {
      const incidents = [...all.values()]
      for (let i = 0; i < incidents.length; i += AT_ONCE) {
        const some = incidents.slice(i, i + AT_ONCE)
        await Promise.all(some.map(({ appId, incidentId, notes }) => store.add(appId, incidentId, notes)))
      }
    } catch (error) {
      log.debug({ reason: (error as Error).message }, 'deliveries cannot be written down')
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const all = waiting
    waiting = new Map()
    count = 0
    return (writing = writing.then(() => write(all)))
  }

  const note: NoteDelivery = ({ appId, incidentId, eventId }, what) => {
    if (++count > WAITING_MAX) return
    const known = waiting.get(incidentId) ?? { appId, incidentId, notes: [] }
    known.notes.push({ eventId, at: new Date().toISOString(), ...what })
    waiting.set(incidentId, known)
    timer ??= setTimeout(() => void writing.then(flush), FLUSH_MS)
  }

  return {
    note,
    /** A store that does not answer must not hold up a stop. */
    async stop(): Promise<void> {
      await within(STOP_LIMIT_MS, flush()).catch(() => {})
    },
  }
}

/** Half of what somebody who looks at the incident waits before he reads again. */
const FLUSH_MS = 200
/** They share a commit. */
const AT_ONCE = 200
const STOP_LIMIT_MS = 1_000
/** 2 MB */
const WAITING_MAX = 10_000

import { setImmediate as turn } from 'node:timers/promises'
import type { EventLog, Incident, LifecycleEvent } from '../../store/store.js'

/** Everything that the event log keeps of one incident, oldest first. */
export interface Story {
  story: LifecycleEvent[]
  /** Older entries are no longer kept, or it has not been read to its end. */
  isCut: boolean
}

/** What is known of an incident's story: it holds all of it that stands up to `after` in the log. */
interface Known {
  after: string
  events: LifecycleEvent[]
  /** The same for everybody who asks meanwhile. */
  reading: Promise<void> | null
}

/**
 * Tells stories of incidents, and keeps those that were asked for last: an incident is looked at again and again, and
 * only what was added to the log since is read then. An old incident of a busy app would cost tens of thousands of entries
 * each time.
 */
export function createStories(events: EventLog): (incident: Incident) => Promise<Story> {
  const all = new Map<string, Known>()

  function knownOf({ appId, incidentId, version, updatedAt }: Incident): Known {
    const key = `${appId} ${incidentId}`
    const known = all.get(key)
    all.delete(key)
    const last = known?.events.at(-1)
    // A store that came back as it was earlier has another story to tell.
    const isOther =
      last !== undefined && (last.version > version || (last.version === version && last.at !== updatedAt))
    const found = known && !isOther ? known : { after: '', events: [], reading: null }
    all.set(key, found) // the latest stand last
    for (const oldest of all.keys()) {
      if (all.size <= KEPT_MAX) break
      all.delete(oldest)
    }
    return found
  }

  async function readOn(known: Known, { appId, incidentId, createdAt, version }: Incident): Promise<void> {
    if (known.after === '') known.after = await placeBefore(events, appId, Date.parse(createdAt) - SLACK_MS)
    for (let read = 0; read < READ_MAX;) {
      const logged = await events.readAfter(appId, known.after, BATCH)
      const own = logged.map(({ event }) => event).filter((event) => event.incidentId === incidentId)
      known.events = [...known.events, ...own].slice(-SHOWN_MAX)
      known.after = logged.at(-1)?.logId ?? known.after
      if (hasAll(known, version) || logged.length < BATCH) return
      read += logged.length
      await turn() // the embedded store answers at once, and others want the processor too
    }
  }

  return async (incident) => {
    const known = knownOf(incident)
    while (known.reading) await known.reading
    if (!hasAll(known, incident.version)) {
      known.reading = readOn(known, incident).finally(() => (known.reading = null))
      await known.reading
    }
    return { story: known.events, isCut: known.events.length < incident.version }
  }
}

const hasAll = ({ events }: Known, version: number) => (events.at(-1)?.version ?? 0) >= version

/** Ids of Redis are times; those of the embedded store are numbers, between which the place is found by halving. */
async function placeBefore(events: EventLog, appId: string, at: number): Promise<string> {
  const [oldest] = await events.readAfter(appId, '0', 1)
  if (!oldest) return '0'
  if (oldest.logId.includes('-')) return `${Math.max(0, at)}-0`
  const isBefore = async (number: number) => {
    const [next] = await events.readAfter(appId, String(number), 1)
    return next !== undefined && Date.parse(next.event.at) < at
  }
  let low = Number(oldest.logId) - 1
  if (!(await isBefore(low))) return String(low)
  let high = low + 1
  for (let step = 1; await isBefore(high); step *= 2) {
    low = high
    high += step
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (await isBefore(middle)) low = middle
    else high = middle
  }
  return String(low)
}

/** Clocks of two nodes differ, and an entry of Redis is numbered after its incident was stamped. */
const SLACK_MS = 60_000
const BATCH = 500
/** Of all incidents of the app, at a time: a tenth of a second of reading. Whoever asks again is told more. */
const READ_MAX = 50_000
const SHOWN_MAX = 500
/** As many as a shift looks at; with 500 events each, which almost none has, 25 MB. */
const KEPT_MAX = 100

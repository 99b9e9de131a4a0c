import type { EventLog, Incident, LifecycleEvent } from '../../store/store.js'

/**
 * Everything that the event log keeps of one incident, oldest first. The log is read from where the incident began:
 * ids of Redis are times, those of the embedded store are numbers, between which the place is found by halving.
 */
export async function readStory(
  events: EventLog,
  incident: Incident,
): Promise<{ story: LifecycleEvent[]; isCut: boolean }> {
  const { appId, incidentId, createdAt, version } = incident
  let after = await placeBefore(events, appId, Date.parse(createdAt) - SLACK_MS)
  const story: LifecycleEvent[] = []
  for (let read = 0; read < READ_MAX;) {
    const logged = await events.readAfter(appId, after, BATCH)
    for (const { event } of logged) if (event.incidentId === incidentId) story.push(event)
    const last = logged.at(-1)
    if (!last || logged.length < BATCH || (story.at(-1)?.version ?? 0) >= version) break
    after = last.logId
    read += logged.length
  }
  return { story: story.slice(-SHOWN_MAX), isCut: story.length > SHOWN_MAX || story.length < version }
}

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
/** Of all incidents of the app; a tenth of a second of reading. */
const READ_MAX = 50_000
const SHOWN_MAX = 500

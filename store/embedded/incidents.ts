import type { Database, RootDatabase } from 'lmdb'
import { decodeCursor, encodeCursor, historyKey, pageOf } from '../page.js'
import { isListedIn, isOpen, TRAIL_POINTS } from '../store.js'
import type { Incident, IncidentStore, Retention, TrailPoint } from '../store.js'
import { durable } from './durable.js'
import type { EmbeddedEvents } from './events.js'

export interface EmbeddedIncidents extends IncidentStore {
  /** Adds to the trail of the user's open incident; undefined when there is none. */
  addToTrail(user: { appId: string; userId: string }, point: TrailPoint): Promise<unknown> | undefined
}

/** Incidents in LMDB: the rules are asked inside the transaction that writes their outcome. */
export function createEmbeddedIncidents(
  root: RootDatabase,
  { events, retention }: { events: EmbeddedEvents; retention: Retention },
): EmbeddedIncidents {
  const table = <Value>(name: string): Database<Value, string[]> => root.openDB({ name, encoding: 'json' })
  const open = table<Incident>('open') // appId, userId
  const all = table<Incident>('incidents') // appId, incidentId
  const history = table<string>('history') // appId, userId, historyKey → incidentId
  const appHistory = table<string>('app-history') // appId, historyKey → incidentId
  const alertHistory = table<string>('alert-history') // the same of those that are nobody's
  const reportKeys = table<string[]>('reports') // appId, userId
  const trails: Database<TrailPoint, [string, string, number]> = root.openDB({
    name: 'trails',
    encoding: 'json',
  })

  /** Inside a transaction. */
  function appendToTrail(appId: string, incidentId: string, point: TrailPoint): void {
    const [last] = trails.getKeys({
      start: [appId, incidentId, Infinity],
      end: [appId, incidentId, 0],
      reverse: true,
      limit: 1,
    })
    const next = (last?.[2] ?? 0) + 1
    trails.put([appId, incidentId, next], point)
    if (next > TRAIL_POINTS) trails.remove([appId, incidentId, next - TRAIL_POINTS])
  }

  function readPage(
    index: Database<string, string[]>,
    prefix: string[],
    limit: number,
    cursor: string | undefined,
  ) {
    const behind = cursor === undefined ? undefined : decodeCursor(cursor)
    const places = [
      ...index.getRange({
        start: [...prefix, behind ?? '\uffff'],
        end: prefix,
        reverse: true,
        limit: limit + 2,
      }),
    ].filter(({ key }) => key.at(-1) !== behind)
    const shown = places.slice(0, limit)
    const last = shown.at(-1)
    return {
      entries: shown.flatMap(({ value }) => all.get([prefix[0] as string, value]) ?? []),
      nextCursor: places.length > limit && last ? encodeCursor(last.key.at(-1) as string) : null,
    }
  }

  return {
    async change(user, keysAsked, decide) {
      const key = [user.appId, user.userId]
      const work = root.transaction(() => {
        const known = reportKeys.get(key) ?? []
        const counted = new Set(keysAsked.filter((asked) => known.includes(asked)))
        const wanted = decide({ openIncident: open.get(key) ?? null, counted })
        const { incident, event, trailPoint } = wanted
        if (!incident || !event) return wanted
        // Throws here or not at all: lmdb does not undo what a failing transaction has put.
        JSON.stringify({ incident, event })
        const { appId, incidentId, status } = incident
        const added = wanted.reportKeys?.filter((one) => !counted.has(one)) ?? []
        if (added.length > 0) reportKeys.put(key, [...known, ...added].slice(-retention.reportKeysPerUser))
        if (isOpen(status)) open.put(key, incident)
        else open.remove(key)
        all.put([appId, incidentId], incident)
        history.put([...key, historyKey(incident)], incidentId)
        const listed = incident.unattributed ? alertHistory : appHistory
        listed.put([appId, historyKey(incident)], incidentId)
        if (trailPoint) appendToTrail(appId, incidentId, trailPoint)
        events.append(event)
        return wanted
      })
      const [change] = await durable(work)
      if (change.event) events.announce(change.event)
      return change.result
    },
    async readOpen({ appId, userId }) {
      return open.get([appId, userId]) ?? null
    },
    async countOpen(appId) {
      return open.getKeysCount({ start: [appId], end: [appId, '\uffff'] })
    },
    async read(appId, incidentId) {
      return all.get([appId, incidentId]) ?? null
    },
    async readHistory({ appId, userId }, limit, cursor) {
      return readPage(history, [appId, userId], limit, cursor)
    },
    async readAll(appId, which, limit, cursor) {
      if (which === 'all') return readPage(appHistory, [appId], limit, cursor)
      if (which === 'all-unattributed') return readPage(alertHistory, [appId], limit, cursor)
      const range = open.getRange({ start: [appId], end: [appId, '\uffff'] })
      return pageOf([...range].map(({ value }) => value).filter(isListedIn(which)), limit, cursor)
    },
    async readTrail(appId, incidentId) {
      const range = trails.getRange({ start: [appId, incidentId, 0], end: [appId, incidentId, Infinity] })
      return [...range].map(({ value }) => value)
    },
    addToTrail({ appId, userId }, point) {
      // Outside a transaction first: almost nobody has an open incident.
      if (!open.doesExist([appId, userId])) return undefined
      const work = root.transaction(() => {
        const incident = open.get([appId, userId])
        if (incident) appendToTrail(appId, incident.incidentId, point)
      })
      return durable(work)
    },
  }
}

import { createKeyedQueue } from '../keyed-queue.js'
import { decodeCursor, encodeCursor, historyKey, pageOf } from '../page.js'
import type { Page } from '../page.js'
import { isListedIn, isOpen, TRAIL_POINTS } from '../store.js'
import type { Change, Incident, IncidentStore, Retention, TrailPoint, UserState } from '../store.js'
import { userKey } from '../user.js'
import type { User } from '../user.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'
import type { LogIds } from './log-ids.js'
import { untilCommitted } from './until-committed.js'

/** Incidents in Redis: read, decide, and commit if nobody was faster; see docs/decisions. */
export function createRedisIncidents(redis: Commands, retention: Retention, ids: LogIds): IncidentStore {
  const inOrder = createKeyedQueue()

  async function readPage(
    appId: string,
    history: string,
    limit: number,
    cursor: string | undefined,
  ): Promise<Page<Incident>> {
    const from = cursor === undefined ? '+' : `(${decodeCursor(cursor)}`
    const places = await redis.zrevrangebylex(history, from, '-', 'LIMIT', 0, limit + 1)
    const shown = places.slice(0, limit)
    const ids = shown.map((place) => keys.incident(appId, place.slice(place.indexOf(':') + 1)))
    const found = ids.length > 0 ? await redis.mget(ids) : []
    const last = shown.at(-1)
    return {
      entries: found.flatMap((json) => parse(json) ?? []),
      nextCursor: places.length > limit && last !== undefined ? encodeCursor(last) : null,
    }
  }

  return {
    change(user, reportKeys, decide) {
      return inOrder(userKey(user), () =>
        changeUntilCommitted({ redis, retention, ids }, user, reportKeys, decide),
      )
    },
    async readOpen({ appId, userId }) {
      return parse(await redis.hget(keys.open(appId), userId))
    },
    countOpen: (appId) => redis.hlen(keys.open(appId)),
    async read(appId, incidentId) {
      return parse(await redis.get(keys.incident(appId, incidentId)))
    },
    readHistory: ({ appId, userId }, limit, cursor) =>
      readPage(appId, keys.userHistory(appId, userId), limit, cursor),
    async readAll(appId, which, limit, cursor) {
      if (which === 'all') return readPage(appId, keys.history(appId), limit, cursor)
      if (which === 'all-unattributed') return readPage(appId, keys.alertHistory(appId), limit, cursor)
      const open = (await redis.hvals(keys.open(appId))).map((json) => parse(json) as Incident)
      return pageOf(open.filter(isListedIn(which)), limit, cursor)
    },
    async readTrail(appId, incidentId) {
      const points = await redis.lrange(keys.trail(appId, incidentId), 0, -1)
      return points.map((json) => JSON.parse(json) as TrailPoint)
    },
  }
}

interface Place {
  redis: Commands
  retention: Retention
  ids: LogIds
}

async function changeUntilCommitted<Result>(
  place: Place,
  user: User,
  reportKeys: readonly string[],
  decide: (state: UserState) => Change<Result>,
): Promise<Result> {
  return untilCommitted(async () => {
    const { open, counted } = await readState(place.redis, user, reportKeys)
    const change = decide({ openIncident: parse(open), counted })
    return (await commit(place, user, open, counted, change)) ? change : null
  })
}

async function readState(redis: Commands, { appId, userId }: User, reportKeys: readonly string[]) {
  const pipeline = redis.pipeline().hget(keys.open(appId), userId)
  for (const key of reportKeys) pipeline.zscore(keys.reports(appId, userId), key)
  const replies = (await pipeline.exec()) ?? []
  const [open, ...scores] = replies.map(([error, value]) => {
    if (error) throw error
    return value as string | null
  })
  return { open: open ?? null, counted: new Set(reportKeys.filter((_, i) => (scores[i] ?? null) !== null)) }
}

async function commit(
  { redis, retention, ids }: Place,
  { appId, userId }: User,
  open: string | null,
  counted: ReadonlySet<string>,
  { incident, event, reportKeys = [], trailPoint }: Change<unknown>,
): Promise<boolean> {
  if (!incident || !event) return true
  const now = Date.now()
  const { incidentId, status } = incident
  const committed = await redis.commitChange(
    keys.open(appId),
    keys.openIds(appId),
    keys.incident(appId, incidentId),
    keys.reports(appId, userId),
    keys.events(appId),
    incident.unattributed ? keys.alertHistory(appId) : keys.history(appId),
    keys.userHistory(appId, userId),
    keys.trail(appId, incidentId),
    userId,
    open ?? '',
    JSON.stringify(incident),
    incidentId,
    isOpen(status) ? '1' : '0',
    now,
    retention.reportKeysPerUser,
    retention.days * SECONDS_PER_DAY,
    JSON.stringify(event),
    retention.eventsPerApp,
    historyKey(incident),
    historyKey({
      createdAt: new Date(now - retention.days * SECONDS_PER_DAY * 1000).toISOString(),
      incidentId: '',
    }),
    trailPoint ? JSON.stringify(trailPoint) : '',
    TRAIL_POINTS,
    ids.highest(keys.events(appId)),
    ...reportKeys.flatMap((key) => [key, counted.has(key) ? '1' : '0']),
  )
  return committed === 1
}

function parse(json: string | null): Incident | null {
  return json === null ? null : (JSON.parse(json) as Incident)
}

const SECONDS_PER_DAY = 86_400

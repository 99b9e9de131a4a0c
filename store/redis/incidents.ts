import { createKeyedQueue } from '../keyed-queue.js'
import { decodeCursor, encodeCursor, historyKey, pageOf } from '../page.js'
import type { Page } from '../page.js'
import { isOpen, TRAIL_POINTS } from '../store.js'
import type { Change, Incident, IncidentStore, Retention, TrailPoint, UserState } from '../store.js'
import type { User } from '../user.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'
import { untilCommitted } from './until-committed.js'

/** Incidents in Redis: read, decide, and commit if nobody was faster; see docs/decisions. */
export function createRedisIncidents(redis: Commands, retention: Retention): IncidentStore {
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
    change(user, reportKey, decide) {
      return inOrder(`${user.appId}:${user.userId}`, () =>
        changeUntilCommitted(redis, retention, user, reportKey, decide),
      )
    },
    async readOpen({ appId, userId }) {
      return parse(await redis.hget(keys.open(appId), userId))
    },
    async read(appId, incidentId) {
      return parse(await redis.get(keys.incident(appId, incidentId)))
    },
    readHistory: ({ appId, userId }, limit, cursor) =>
      readPage(appId, keys.userHistory(appId, userId), limit, cursor),
    async readAll(appId, which, limit, cursor) {
      if (which === 'all') return readPage(appId, keys.history(appId), limit, cursor)
      const open = (await redis.hvals(keys.open(appId))).map((json) => parse(json) as Incident)
      return pageOf(open, limit, cursor)
    },
    async readTrail(appId, incidentId) {
      const points = await redis.lrange(keys.trail(appId, incidentId), 0, -1)
      return points.map((json) => JSON.parse(json) as TrailPoint)
    },
  }
}

async function changeUntilCommitted<Result>(
  redis: Commands,
  retention: Retention,
  user: User,
  reportKey: string | undefined,
  decide: (state: UserState) => Change<Result>,
): Promise<Result> {
  return untilCommitted(async () => {
    const { open, isRepeat } = await readState(redis, user, reportKey)
    const change = decide({ openIncident: parse(open), isRepeat })
    return (await commit(redis, retention, user, open, isRepeat, change)) ? change : null
  })
}

async function readState(redis: Commands, { appId, userId }: User, reportKey: string | undefined) {
  const pipeline = redis.pipeline().hget(keys.open(appId), userId)
  if (reportKey !== undefined) pipeline.zscore(keys.reports(appId, userId), reportKey)
  const [open, score] = (await pipeline.exec()) ?? []
  if (open?.[0]) throw open[0]
  if (score?.[0]) throw score[0]
  return { open: (open?.[1] ?? null) as string | null, isRepeat: (score?.[1] ?? null) !== null }
}

async function commit(
  redis: Commands,
  retention: Retention,
  { appId, userId }: User,
  open: string | null,
  isRepeat: boolean,
  { incident, event, reportKey, trailPoint }: Change<unknown>,
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
    keys.history(appId),
    keys.userHistory(appId, userId),
    keys.trail(appId, incidentId),
    userId,
    open ?? '',
    JSON.stringify(incident),
    incidentId,
    isOpen(status) ? '1' : '0',
    reportKey ?? '',
    isRepeat ? '1' : '0',
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
  )
  return committed === 1
}

function parse(json: string | null): Incident | null {
  return json === null ? null : (JSON.parse(json) as Incident)
}

const SECONDS_PER_DAY = 86_400

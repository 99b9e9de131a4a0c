import type { Change, Incident, IncidentStore, Retention, UserState } from '../store.js'
import type { User } from '../user.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'

/** Incidents in Redis: read, decide, and commit if nobody was faster; see docs/decisions. */
export function createRedisIncidents(redis: Commands, retention: Retention): IncidentStore {
  const tails = new Map<string, Promise<unknown>>()
  return {
    /** Changes of one user queue up here, so that only another node can be faster. */
    change(user, reportKey, decide) {
      const key = `${user.appId}:${user.userId}`
      const before = tails.get(key) ?? Promise.resolve()
      const result = before
        .catch(() => {})
        .then(() => changeUntilCommitted(redis, retention, user, reportKey, decide))
      tails.set(key, result)
      const forget = () => {
        if (tails.get(key) === result) tails.delete(key)
      }
      result.then(forget, forget)
      return result
    },
    async readOpen({ appId, userId }) {
      return parse(await redis.hget(keys.open(appId), userId))
    },
    async read(appId, incidentId) {
      return parse(await redis.get(keys.incident(appId, incidentId)))
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
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { open, isRepeat } = await readState(redis, user, reportKey)
    const change = decide({ openIncident: parse(open), isRepeat })
    if (await commit(redis, retention, user, open, isRepeat, change)) return change.result
  }
  throw new Error('other nodes changed this incident without pause')
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
  change: Change<unknown>,
): Promise<boolean> {
  const { incident, event, reportKey } = change
  if (!incident || !event) return true
  const isOpen = incident.status === 'active' || incident.status === 'acknowledged'
  const committed = await redis.commitChange(
    keys.open(appId),
    keys.incident(appId, incident.incidentId),
    keys.reports(appId, userId),
    keys.events(appId),
    userId,
    open ?? '',
    JSON.stringify(incident),
    isOpen ? '1' : '0',
    reportKey ?? '',
    Date.now(),
    retention.reportKeysPerUser,
    retention.days * 86_400,
    JSON.stringify(event),
    retention.eventsPerApp,
    isRepeat ? '1' : '0',
  )
  return committed === 1
}

function parse(json: string | null): Incident | null {
  return json === null ? null : (JSON.parse(json) as Incident)
}

// Each node has one change of a user under way, so a loser wins within as many rounds as there are nodes.
const ATTEMPTS_MAX = 50

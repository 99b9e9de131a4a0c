import { createKeyedQueue } from '../keyed-queue.js'
import { deviceKeysOf, EMPTY_USER } from '../store.js'
import type { UserChange, UserRecord, UserStore } from '../store.js'
import { userKey } from '../user.js'
import type { User } from '../user.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'
import { untilCommitted } from './until-committed.js'

/** Profiles, devices and contacts in Redis: one JSON a user, and an index of who owns which device. */
export function createRedisUsers(redis: Commands): UserStore {
  const inOrder = createKeyedQueue()
  return {
    change(user, decide) {
      return inOrder(userKey(user), () => changeUntilCommitted(redis, user, decide))
    },
    async read({ appId, userId }) {
      return parse(await redis.get(keys.user(appId, userId)))
    },
    async ownersOf(appId, deviceKey) {
      const owners = await redis.hvals(keys.device(appId, deviceKey))
      return owners.map((json) => JSON.parse(json) as User)
    },
  }
}

async function changeUntilCommitted<Result>(
  redis: Commands,
  user: User,
  decide: (record: UserRecord) => UserChange<Result>,
): Promise<Result> {
  return untilCommitted(async () => {
    const before = await redis.get(keys.user(user.appId, user.userId))
    const change = decide(parse(before))
    if (change.record === undefined) return change
    return (await commit(redis, user, before, change.record)) ? change : null
  })
}

async function commit(
  redis: Commands,
  user: User,
  before: string | null,
  record: UserRecord | null,
): Promise<boolean> {
  const { appId, userId, externalUserId } = user
  const had = deviceKeysOf(parse(before))
  const has = record ? deviceKeysOf(record) : new Set<string>()
  const leaves = [...had].filter((key) => !has.has(key))
  const joins = [...has].filter((key) => !had.has(key))
  const allKeys = [keys.user(appId, userId), ...[...leaves, ...joins].map((key) => keys.device(appId, key))]
  const committed = await redis.commitUser(
    allKeys.length,
    ...allKeys,
    before ?? '',
    record ? JSON.stringify(record) : '',
    userId,
    JSON.stringify({ appId, userId, externalUserId }),
    leaves.length,
  )
  return committed === 1
}

function parse(json: string | null): UserRecord {
  return json === null ? EMPTY_USER : (JSON.parse(json) as UserRecord)
}

import { Cluster, Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'
import type { Log } from '../../ops/log.js'
import { within } from '../within.js'
import type { RedisAddress } from './address.js'
import {
  APPEND_LATE,
  APPEND_TELEMETRY,
  CLOSE_BATCH,
  COMMIT_CHANGE,
  COMMIT_GATEWAY,
  COMMIT_NODE,
  COMMIT_USER,
  NOTE_HEARD,
} from './scripts.js'
import { HOLD_LEASE, RELEASE_LEASE, WRITE_WEBHOOK } from './webhook-scripts.js'

type KeysAndArguments = (string | number)[]

/** The scripts as commands; ioredis sends their digest and falls back to the text. A cluster has the same commands. */
export interface Commands extends Redis {
  commitChange(...keysAndArguments: KeysAndArguments): Promise<0 | 1>
  commitUser(keyCount: number, ...keysAndArguments: KeysAndArguments): Promise<0 | 1>
  commitGateway(key: string, ...values: string[]): Promise<0 | 1>
  commitNode(...keysAndArguments: KeysAndArguments): Promise<0 | 1 | 2>
  noteHeard(...keysAndArguments: KeysAndArguments): Promise<number>
  appendTelemetry(keyCount: number, ...keysAndArguments: KeysAndArguments): Promise<number>
  appendLate(keyCount: number, ...keysAndArguments: KeysAndArguments): Promise<number>
  closeBatch(key: string, seconds: number): Promise<number>
  holdLease(key: string, holder: string, ms: number): Promise<0 | 1>
  releaseLease(key: string, holder: string): Promise<0 | 1>
  writeWebhook(...keysAndArguments: KeysAndArguments): Promise<number>
}

/** Redis answers, and does not let us in: waiting does not help. */
export class RedisRefused extends Error {}

/**
 * Opens one connection. Commands fail at once while Redis is away and after COMMAND_TIMEOUT_MS when it does
 * not answer: nothing queues, because whoever waits here is a phone that waits for its PUBACK. A Redis that cannot
 * be reached is tried again and again; the connection comes up when it does.
 *
 * @throws RedisRefused when the password or the database is refused.
 */
export async function openConnection(address: RedisAddress, name: string, log: Log): Promise<Commands> {
  const redis = createClient(address, name)
  let lastError = ''
  redis.on('error', (error: Error & { lastNodeError?: Error }) => {
    const message = (error.lastNodeError ?? error).message
    if (message !== lastError) log.warn({ connection: name, reason: message }, 'redis connection failed')
    lastError = message
    reasons.set(redis, message)
  })
  redis.on('close', () => {
    reasons.set(redis, lastError || 'Redis closed the connection')
    forgetSocketTimeout(redis)
  })
  redis.on('ready', () => {
    if (lastError !== '') log.info({ connection: name }, 'redis connection is back')
    lastError = ''
    reasons.delete(redis)
  })
  try {
    await within(FIRST_CONNECT_MS, redis.connect())
  } catch (error) {
    if (lastError === '')
      log.warn({ connection: name, reason: (error as Error).message }, 'redis connection failed')
    lastError ||= (error as Error).message
  }
  // ioredis goes on without its database or login; what it was told is in the error.
  if (REFUSED.test(lastError)) {
    redis.disconnect()
    throw new RedisRefused(lastError)
  }
  return redis
}

/** Runs a command for somebody who wants to know why it failed: not that there is no connection, but why. */
export async function explained<Result>(redis: Commands, command: Promise<Result>): Promise<Result> {
  try {
    return await command
  } catch (error) {
    // ioredis says that its stream is not writeable or its retries are over, and which of its options that has to do with.
    const { message } = error as Error
    const isOffline = /isn't writeable|max retries per request/.test(message)
    const reason = (await isLoading(redis))
      ? 'Redis is loading its data'
      : (reasons.get(redis) ??
        (isOffline ? 'Redis closed the connection' : undefined) ??
        (/MOVED|Connection is closed/.test(message) ? 'that part of the cluster is away' : undefined))
    throw reason === undefined ? error : new Error(reason, { cause: error })
  }
}

/** ioredis waits for a Redis that loads, connected and without a word. */
async function isLoading(redis: Commands): Promise<boolean> {
  if (redis.status !== 'connect') return false
  const info = await redis.info('persistence').catch(() => '')
  return /^loading:1/m.test(info)
}

/** Why each connection that is away is so. */
const reasons = new WeakMap<Commands, string>()

function createClient(address: RedisAddress, name: string): Commands {
  const options: RedisOptions = {
    ...address.options,
    connectionName: `connect-broker:${name}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: RETRY_MS_MAX,
    retryStrategy: retryAfterMs,
    sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
    sentinelRetryStrategy: retryAfterMs,
    sentinelReconnectStrategy: retryAfterMs,
    // What we talk to has become a replica: the way to the new master is a new connection.
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  }
  const scripts = {
    commitChange: { lua: COMMIT_CHANGE, numberOfKeys: 8 },
    commitUser: { lua: COMMIT_USER },
    commitGateway: { lua: COMMIT_GATEWAY, numberOfKeys: 1 },
    commitNode: { lua: COMMIT_NODE, numberOfKeys: 1 },
    noteHeard: { lua: NOTE_HEARD, numberOfKeys: 2 },
    appendTelemetry: { lua: APPEND_TELEMETRY },
    appendLate: { lua: APPEND_LATE },
    closeBatch: { lua: CLOSE_BATCH, numberOfKeys: 1 },
    holdLease: { lua: HOLD_LEASE, numberOfKeys: 1 },
    releaseLease: { lua: RELEASE_LEASE, numberOfKeys: 1 },
    writeWebhook: { lua: WRITE_WEBHOOK, numberOfKeys: 4 },
  }
  if (address.is !== 'cluster') return new Redis({ ...options, scripts, lazyConnect: true }) as Commands
  return new Cluster(address.nodes, {
    redisOptions: options,
    scripts,
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: retryAfterMs,
    slotsRefreshTimeout: COMMAND_TIMEOUT_MS,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    maxRedirections: 4,
    // A command whose connection closed may have been done: whoever sent it knows how to ask, ioredis would repeat it.
    retryDelayOnFailover: 0,
  }) as unknown as Commands
}

/** ioredis leaves the timer of a connection that has closed, which would end the next one seconds later. */
function forgetSocketTimeout(redis: Commands): void {
  const timed = redis as unknown as { socketTimeoutTimer?: NodeJS.Timeout | undefined }
  clearTimeout(timed.socketTimeoutTimer)
  timed.socketTimeoutTimer = undefined
}

function retryAfterMs(attempt: number): number {
  return Math.min(attempt * 100, RETRY_MS_MAX)
}

/** Of a refused login or database; Redis 6 and 7. */
const REFUSED =
  /WRONGPASS|NOAUTH|invalid password|without any password|DB index is out of range|invalid DB index/i
/** How long a start waits for Redis before it goes on without. */
const FIRST_CONNECT_MS = 3_000
const CONNECT_TIMEOUT_MS = 5_000
const RETRY_MS_MAX = 1_000
/** A black-holed Redis answers nothing and closes nothing; only this notices. */
const COMMAND_TIMEOUT_MS = 3_000
/** Such a connection is given up and opened anew; TCP alone would take a quarter of an hour. */
const SOCKET_TIMEOUT_MS = 4_000
/** A Sentinel that takes connections and answers nothing; then the next one is asked. */
const SENTINEL_TIMEOUT_MS = 1_000
/** Nodes that came or changed their part without an error that would have told us. */
const SLOTS_REFRESH_MS = 10_000

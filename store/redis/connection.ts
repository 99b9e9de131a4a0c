import { Redis } from 'ioredis'
import type { Log } from '../../ops/log.js'
import { addressOf } from './address.js'
import { APPEND_TELEMETRY, COMMIT_CHANGE, COMMIT_USER } from './scripts.js'

/** The scripts as commands; ioredis sends their digest and falls back to the text. */
export interface Commands extends Redis {
  commitChange(...keysAndArguments: (string | number)[]): Promise<0 | 1>
  commitUser(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<0 | 1>
  appendTelemetry(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<number>
}

/**
 * Opens one connection. Commands fail at once while Redis is away and after COMMAND_TIMEOUT_MS when it does
 * not answer: nothing queues, because whoever waits here is a phone that waits for its PUBACK.
 *
 * @throws when Redis cannot be reached or refuses the password.
 */
export async function openConnection(url: string, name: string, log: Log): Promise<Commands> {
  const redis = new Redis({
    ...addressOf(url),
    connectionName: `connect-broker:${name}`,
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
    scripts: {
      commitChange: { lua: COMMIT_CHANGE, numberOfKeys: 8 },
      commitUser: { lua: COMMIT_USER },
      appendTelemetry: { lua: APPEND_TELEMETRY },
    },
  }) as Commands
  let lastError = ''
  redis.on('error', (error: Error) => {
    if (error.message !== lastError)
      log.warn({ connection: name, reason: error.message }, 'redis connection failed')
    lastError = error.message
  })
  redis.on('ready', () => {
    if (lastError !== '') log.info({ connection: name }, 'redis connection is back')
    lastError = ''
  })
  try {
    await redis.connect()
    if (lastError !== '') throw new Error(lastError) // such as a database that does not exist
  } catch (error) {
    redis.disconnect()
    throw new Error(lastError || (error as Error).message, { cause: error })
  }
  return redis
}

const CONNECT_TIMEOUT_MS = 5_000
/** A black-holed Redis answers nothing and closes nothing; only this notices. */
const COMMAND_TIMEOUT_MS = 3_000
/** Such a connection is given up and opened anew; TCP alone would take a quarter of an hour. */
const SOCKET_TIMEOUT_MS = 4_000

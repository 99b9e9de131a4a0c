import { randomUUID } from 'node:crypto'
import type { GatewayRecord, GatewayStore } from '../gateways.js'
import { createKeyedQueue } from '../keyed-queue.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'
import { untilCommitted } from './until-committed.js'

/** One hash an app. One of its fields changes with every change, so that asking whether there was one is cheap. */
export function createRedisGateways(redis: Commands): GatewayStore {
  const inOrder = createKeyedQueue()
  return {
    change(appId, gatewayId, decide) {
      const key = keys.gateways(appId)
      const attempt = async () => {
        const [before, fields] = await Promise.all([redis.hget(key, gatewayId), redis.hlen(key)])
        const change = decide(before === null ? null : parse(before), Math.max(0, fields - 1))
        const { gateway } = change
        if (gateway === undefined) return change
        const after = gateway === null ? '' : JSON.stringify(gateway)
        const committed = await redis.commitGateway(
          key,
          gatewayId,
          before ?? '',
          after,
          VERSION,
          randomUUID(),
        )
        return committed === 1 ? change : null
      }
      return inOrder(`${appId}:${gatewayId}`, () => untilCommitted(attempt))
    },
    async read(appId, version) {
      const key = keys.gateways(appId)
      if ((await redis.hget(key, VERSION)) === version && version !== null) return null
      const { [VERSION]: newest = NEVER, ...records } = await redis.hgetall(key)
      if (newest === version) return null
      const gateways = Object.values(records).map(parse)
      return { version: newest, gateways: new Map(gateways.map((gateway) => [gateway.gatewayId, gateway])) }
    },
  }
}

function parse(json: string): GatewayRecord {
  return JSON.parse(json) as GatewayRecord
}

/** No gateway id: those hold no colon. */
const VERSION = ':version'
/** Of a hash that is not there. */
const NEVER = 'never changed'

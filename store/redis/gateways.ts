import { randomUUID } from 'node:crypto'
import type { GatewayRecord, GatewayStore } from '../gateways.js'
import { createKeyedQueue } from '../keyed-queue.js'
import type { Commands } from './connection.js'
import { keys } from './keys.js'
import { untilCommitted } from './until-committed.js'
import { readChanged } from './versioned-hash.js'

/** One versioned hash an app. */
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
      const news = await readChanged(redis, keys.gateways(appId), VERSION, version)
      if (!news) return null
      const gateways = Object.values(news.fields).map(parse)
      return {
        version: news.version,
        gateways: new Map(gateways.map((gateway) => [gateway.gatewayId, gateway])),
      }
    },
  }
}

function parse(json: string): GatewayRecord {
  return JSON.parse(json) as GatewayRecord
}

/** No gateway id: those hold no colon. */
const VERSION = ':version'

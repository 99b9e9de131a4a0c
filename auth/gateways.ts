import type { Log } from '../ops/log.js'
import type { GatewayRecord, GatewaySet, GatewayStore } from '../store/gateways.js'
import { createFollowedSets } from './followed-sets.js'
import type { LastKnown } from './followed-sets.js'
import type { GatewayName } from './gateway-names.js'
import { createGatewayToken, GATEWAY_TOKENS_MAX, hashGatewayToken } from './gateway-token.js'

/** The mesh gateways of the apps: which there are, and what makes and ends them. */
export interface Gateways {
  /** As this node knows it. Asks no store: a login waits for none. */
  find(name: GatewayName): GatewayRecord | undefined
  /** False until this node has read the app's gateways once, in this run or before: it cannot say who is none. */
  isRead(appId: string): boolean
  /** By id. @throws when the store cannot be read, as all that follow. */
  list(appId: string): Promise<GatewayRecord[]>
  /** The token is told here and never again. */
  create(name: GatewayName, note: string): Promise<NewToken | { is: 'exists' | 'too-many' }>
  /** One more token; the one before it stays, unless its end is wanted. Null when there is no such gateway. */
  rotate(name: GatewayName, options: { endsOld: boolean }): Promise<NewToken | null>
  /** Ends every token but the newest. Null when there is no such gateway. */
  endOldToken(name: GatewayName): Promise<GatewayRecord | null>
  /** False when there was none. */
  remove(name: GatewayName): Promise<boolean>
  /** Calls back after every change, whichever node made it. */
  onChange(changed: () => void): void
  start(): Promise<void>
  stop(): void
}

export interface NewToken {
  is: 'made'
  gateway: GatewayRecord
  token: string
}

export function createGateways(options: {
  store: GatewayStore
  appIds: () => string[]
  /** What this node knew before it stopped, for a start while the store is away. */
  lastKnown?: LastKnown<GatewaySet> | undefined
  clock: { now(): Date }
  log: Log
}): Gateways {
  const { store, appIds, lastKnown, clock, log } = options
  const sets = createFollowedSets<GatewaySet>({ read: store.read, appIds, what: 'gateways', lastKnown, log })

  function make() {
    const token = createGatewayToken()
    const at = clock.now().toISOString()
    return { token, at, kept: { hash: hashGatewayToken(token), createdAt: at } }
  }

  /** What was changed holds on this node when it is answered. */
  async function changed<Result>(appId: string, change: Promise<Result>): Promise<Result> {
    const result = await change
    await sets.refresh(appId)
    return result
  }

  return {
    find: ({ appId, gatewayId }) => sets.of(appId)?.gateways.get(gatewayId),
    isRead: (appId) => sets.of(appId) !== undefined,
    async list(appId) {
      await sets.refresh(appId)
      const gateways = [...(sets.of(appId)?.gateways.values() ?? [])]
      return gateways.toSorted((one, other) => (one.gatewayId < other.gatewayId ? -1 : 1))
    },
    create({ appId, gatewayId }, note) {
      const { token, at, kept } = make()
      const gateway = { gatewayId, createdAt: at, note, tokens: [kept] }
      return changed(
        appId,
        store.change<NewToken | { is: 'exists' | 'too-many' }>(appId, gatewayId, (before, count) => {
          if (before) return { result: { is: 'exists' } }
          if (count >= GATEWAYS_PER_APP_MAX) return { result: { is: 'too-many' } }
          return { gateway, result: { is: 'made', gateway, token } }
        }),
      )
    },
    rotate({ appId, gatewayId }, { endsOld }) {
      const { token, kept } = make()
      return changed(
        appId,
        store.change<NewToken | null>(appId, gatewayId, (before) => {
          if (!before) return { result: null }
          const staying = endsOld ? [] : before.tokens.slice(-(GATEWAY_TOKENS_MAX - 1))
          const gateway = { ...before, tokens: [...staying, kept] }
          return { gateway, result: { is: 'made', gateway, token } }
        }),
      )
    },
    endOldToken({ appId, gatewayId }) {
      return changed(
        appId,
        store.change<GatewayRecord | null>(appId, gatewayId, (before) => {
          if (!before || before.tokens.length < 2) return { result: before }
          const gateway = { ...before, tokens: before.tokens.slice(-1) }
          return { gateway, result: gateway }
        }),
      )
    },
    remove({ appId, gatewayId }) {
      const remove = store.change(appId, gatewayId, (before) =>
        before ? { gateway: null, result: true } : { result: false },
      )
      return changed(appId, remove)
    },
    onChange: sets.onChange,
    start: sets.start,
    stop: sets.stop,
  }
}

/** Every node keeps them all in memory, some 300 bytes each, and reads them anew when one changes. */
const GATEWAYS_PER_APP_MAX = 1_000

import type { MeshGateway } from './mesh-intake.js'
import type { Refusal } from './mesh-message.js'

/** What became of a publication or of a message in it. */
export type MeshOutcome =
  | Refusal
  /** No topic of a gateway. */
  | 'bad-topic'
  | 'sos'
  | 'alert'
  | 'cancel'
  | 'telemetry'
  /** Kept, but not as the last position: late, or not newer. */
  | 'history'
  | 'copy'
  | 'unmapped'
  /** Nobody could be asked whose it is while the store is away, and nobody had been before: thrown away. */
  | 'owner-unknown'
  | 'no-position'
  | 'node-info'
  | 'gateway-alive'
  /** Nothing that is taken. */
  | 'ignored'
  | 'rate'
  | 'sos-rate'
  | 'failed'

/** One gateway since this broker started. Times are milliseconds since 1970. */
export interface GatewayStatus {
  gatewayId: string
  lastHeardAt: number
  outcomes: Partial<Record<MeshOutcome, number>>
  /** Node ids under which it published, the latest first: it has one, and another after an upgrade. */
  nodes: string[]
  /** Channels of which no configured key fits, and how often. */
  undecryptable: Record<string, number>
  /** Publications by form. */
  envelopes: number
  json: number
  /** Messages of the gateway's own node, and of others. */
  own: number
  others: number
}

export interface GatewayStatuses {
  /** At `now`, ms since 1970. */
  heard(gateway: MeshGateway, now: number): GatewayStatus
  count(gateway: MeshGateway, outcome: MeshOutcome): void
  of(appId: string): GatewayStatus[]
}

export function createGatewayStatuses(onCount: (outcome: MeshOutcome) => void): GatewayStatuses {
  const apps = new Map<string, Map<string, GatewayStatus>>()

  function statusOf({ appId, gatewayId }: MeshGateway): GatewayStatus {
    let gateways = apps.get(appId)
    if (!gateways) apps.set(appId, (gateways = new Map()))
    let status = gateways.get(gatewayId)
    if (!status) {
      // Gateways are made by the app's backend; this bounds one that makes them without end.
      if (gateways.size >= GATEWAYS_MAX) gateways.delete(gateways.keys().next().value as string)
      status = {
        gatewayId,
        lastHeardAt: 0,
        outcomes: {},
        nodes: [],
        undecryptable: {},
        envelopes: 0,
        json: 0,
        own: 0,
        others: 0,
      }
      gateways.set(gatewayId, status)
    }
    return status
  }

  return {
    heard(gateway, now) {
      const status = statusOf(gateway)
      status.lastHeardAt = now
      return status
    },
    count(gateway, outcome) {
      const { outcomes } = statusOf(gateway)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      onCount(outcome)
    },
    of: (appId) => [...(apps.get(appId)?.values() ?? [])],
  }
}

/** A gateway makes channel names up as it likes. */
export function noteUndecryptable(status: GatewayStatus, channelName: string): void {
  const { undecryptable } = status
  if (!Object.hasOwn(undecryptable, channelName) && Object.keys(undecryptable).length >= CHANNELS_MAX) return
  Object.defineProperty(undecryptable, channelName, {
    value: (Object.hasOwn(undecryptable, channelName) ? (undecryptable[channelName] as number) : 0) + 1,
    enumerable: true,
    configurable: true,
    writable: true,
  })
}

export function noteGatewayNode(status: GatewayStatus, nodeId: string): void {
  if (status.nodes[0] === nodeId) return
  status.nodes = [nodeId, ...status.nodes.filter((known) => known !== nodeId)].slice(0, NODES_MAX)
}

const GATEWAYS_MAX = 1_000
const CHANNELS_MAX = 20
const NODES_MAX = 4

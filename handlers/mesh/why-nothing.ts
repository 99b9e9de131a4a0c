import type { HeardNode } from '../../store/mesh.js'
import type { GatewayStatus } from './gateway-status.js'

/** A reason why something that should arrive does not, for whoever set the mesh up. */
export interface Hint {
  code:
    | 'undecryptable'
    | 'unmapped-node'
    | 'own-packets-only'
    | 'not-ok-to-mqtt'
    | 'coarse-position'
    | 'no-position'
    | 'json-only'
    | 'pki'
    | 'gateway-mismatch'
    | 'bad-topic'
    | 'malformed'
    | 'too-fast'
    | 'renumbered-gateway'
  /** What to do about it. */
  text: string
  gatewayId?: string
  node?: string
  channel?: string
  count?: number
}

/** Ordered by gateway, then by node. `unmapped` are nodes that were heard and are nobody's. */
export function whyNothingArrives(
  statuses: readonly GatewayStatus[],
  nodes: readonly HeardNode[],
  unmapped: ReadonlySet<string>,
): Hint[] {
  return [...statuses.flatMap(ofGateway), ...nodes.flatMap((node) => ofNode(node, unmapped.has(node.nodeId)))]
}

function ofGateway(status: GatewayStatus): Hint[] {
  const { gatewayId, outcomes, undecryptable, envelopes, json, own, others, nodes } = status
  const hints: Hint[] = Object.entries(undecryptable).map(([channel, count]) => ({
    code: 'undecryptable',
    gatewayId,
    channel,
    count,
    text: 'No key of this channel fits: add it to the app, or set encryption_enabled to false on the gateway.',
  }))
  for (const [outcome, code, text] of BY_OUTCOME) {
    const count = outcomes[outcome]
    if (count) hints.push({ code, gatewayId, count, text })
  }
  if (own > 0 && others === 0)
    hints.push({
      code: 'own-packets-only',
      gatewayId,
      count: own,
      text: 'Only packets of the gateway itself: set lora.config_ok_to_mqtt on every wearable, and uplink_enabled on the channel.',
    })
  if (json > 0 && envelopes === 0)
    hints.push({
      code: 'json-only',
      gatewayId,
      count: json,
      text: 'Only JSON: alerts and private ports are missing in it. Keep the protobuf topic on.',
    })
  if (nodes.length > 1)
    hints.push({
      code: 'renumbered-gateway',
      gatewayId,
      text: `The gateway publishes as ${nodes[0]}, before as ${nodes.slice(1).join(', ')}: an upgrade, or two nodes with one token.`,
    })
  return hints
}

const BY_OUTCOME = [
  ['pki', 'pki', 'Direct messages between two nodes; nobody else can read them.'],
  ['gateway-mismatch', 'gateway-mismatch', 'The gateway id in packets is not the one of the topic.'],
  [
    'bad-topic',
    'bad-topic',
    'Not a topic of a gateway: check the root topic, and the topic of a bridge program.',
  ],
  ['malformed', 'malformed', 'Could not be read.'],
  ['rate', 'too-fast', 'More than a mesh can say: dropped, but for calls for help.'],
] as const

function ofNode(node: HeardNode, isUnmapped: boolean): Hint[] {
  const { nodeId, isOkToMqtt, precisionBits } = node
  const hints: Hint[] = []
  if (isUnmapped)
    hints.push({
      code: 'unmapped-node',
      node: nodeId,
      text: 'Nobody’s: what it says is thrown away, but for calls for help. Map it with PUT.',
    })
  if (isOkToMqtt === false)
    hints.push({
      code: 'not-ok-to-mqtt',
      node: nodeId,
      text: 'Without lora.config_ok_to_mqtt: a gateway passes it on only to a broker with a private address.',
    })
  if (precisionBits !== undefined && precisionBits < PRECISE_BITS)
    hints.push({
      code: precisionBits === 0 ? 'no-position' : 'coarse-position',
      node: nodeId,
      count: precisionBits,
      text: `Positions of ${precisionBits} bits${node.fix?.accuracyMeters === undefined ? '' : ` (±${Math.round(node.fix.accuracyMeters)} m)`}: set the channel's precision to 32, on a private channel.`,
    })
  return hints
}

/** Below, rounding puts a position off by more than a receiver errs. */
const PRECISE_BITS = 22

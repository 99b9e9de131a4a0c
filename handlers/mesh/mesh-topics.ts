import { nodeIdOf, readNodeId } from '../../store/node-ids.js'

/** What a gateway publishes, by its topic. `gatewayNode` is the node id of the gateway, in lower case. */
export type MeshTopic =
  | { is: 'envelope' | 'json'; root: string; channelName: string; gatewayNode: string }
  | { is: 'map'; root: string }
  | { is: 'stat'; root: string; gatewayNode: string }
  | { is: 'bridge' }
  | { is: 'radio-tel' | 'radio-sos'; hardwareId: string }

/**
 * Reads the topic name of a publication; null when no gateway publishes there. The root is the operator's choice
 * and has up to ROOT_LEVELS_MAX levels, so a name is read from its end.
 *
 * | topic | content |
 * |---|---|
 * | `<root>/2/e/<channel>/<node id>`, `…/2/c/…` | envelope |
 * | `<root>/2/json/<channel>/<node id>` | JSON of firmware up to 2.7 |
 * | `<root>/2/map/` with an empty last level | envelope with a map report |
 * | `<root>/2/stat/<node id>` | `online`, `offline` |
 * | `gw/packet` | JSON of a bridge program, or a packet in base64 |
 * | `gw/tel/<hardwareId>`, `gw/sos/<hardwareId>` | an EIXAM device's own telemetry or SOS |
 */
export function readMeshTopic(topicName: string): MeshTopic | null {
  if (/[+#\0]/.test(topicName)) return null
  return readOwnTopic(topicName) ?? readFirmwareTopic(topicName.split('/'))
}

function readOwnTopic(topicName: string): MeshTopic | null {
  if (topicName === 'gw/packet') return { is: 'bridge' }
  const [first, kind, level, ...more] = topicName.split('/')
  if (first !== 'gw' || (kind !== 'tel' && kind !== 'sos') || !level || more.length > 0) return null
  const hardwareId = decodeLevel(level)
  return hardwareId.length > HARDWARE_ID_LENGTH_MAX ? null : { is: `radio-${kind}`, hardwareId }
}

function readFirmwareTopic(levels: string[]): MeshTopic | null {
  const last = levels.at(-1)
  if (last === '') {
    const isMap = levels.at(-2) === 'map' && levels.at(-3) === '2'
    const root = readRoot(levels.slice(0, -3))
    return isMap && root !== null ? { is: 'map', root } : null
  }
  const gateway = readNodeId(last)
  if (gateway === null) return null
  const gatewayNode = nodeIdOf(gateway)
  if (levels.at(-2) === 'stat' && levels.at(-3) === '2') {
    const root = readRoot(levels.slice(0, -3))
    return root === null ? null : { is: 'stat', root, gatewayNode }
  }
  const channelName = levels.at(-2)
  const is = KINDS.get(levels.at(-3) ?? '')
  const root = readRoot(levels.slice(0, -4))
  if (levels.at(-4) !== '2' || !is || root === null || !isChannelName(channelName)) return null
  return { is, root, channelName, gatewayNode }
}

/**
 * Whether a topic filter is one that a gateway subscribes to get packets for its mesh: `<root>/2/e/<channel>/+`,
 * also with `c` or `json`, with `+` for the channel, and with `#` at the end.
 */
export function isDownlinkFilter(topicFilter: string): boolean {
  const levels = topicFilter.split('/')
  const [two, kind, channelName, last] = levels.slice(-4)
  const root = levels.slice(0, -4)
  return (
    two === '2' &&
    KINDS.has(kind ?? '') &&
    (channelName === '+' || (isChannelName(channelName) && !/[+#]/.test(channelName))) &&
    (last === '+' || last === '#') &&
    readRoot(root) !== null &&
    !root.some((level) => /[+#]/.test(level))
  )
}

function readRoot(levels: string[]): string | null {
  const isRoot = levels.length >= 1 && levels.length <= ROOT_LEVELS_MAX && !levels.includes('')
  return isRoot && !levels[0]?.startsWith('$') ? levels.join('/') : null
}

function isChannelName(level: string | undefined): level is string {
  return level !== undefined && level !== '' && level.length <= CHANNEL_NAME_LENGTH_MAX
}

/** As it stands when it is not percent-encoded. */
function decodeLevel(level: string): string {
  try {
    return decodeURIComponent(level)
  } catch {
    return level
  }
}

const KINDS: ReadonlyMap<string, 'envelope' | 'json'> = new Map([
  ['e', 'envelope'],
  ['c', 'envelope'], // before firmware 2.3
  ['json', 'json'],
])
/** `msh/EU_868/region/place` has four; more are not seen. */
const ROOT_LEVELS_MAX = 4
/** A node holds 11 bytes; the names it shows for its presets are a little longer. */
const CHANNEL_NAME_LENGTH_MAX = 32
const HARDWARE_ID_LENGTH_MAX = 128

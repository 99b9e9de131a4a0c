import { decryptPacket } from './channel-crypto.js'
import type { ChannelKey } from './channel-crypto.js'
import { readPayload } from './mesh-content.js'
import type { ContentSettings } from './mesh-content.js'
import type { ContentPart, MeshMessage, MeshReading } from './mesh-message.js'
import { readTimes } from './mesh-times.js'
import { nodeIdOf } from '../../store/node-ids.js'
import { BROADCAST } from './packets.js'
import type { Data, MeshPacket } from './packets.js'

/** What an app has configured for its mesh. */
export interface MeshSettings extends ContentSettings {
  channels: readonly ChannelKey[]
}

/** Who brought a packet, and when. */
export interface Arrival {
  channelName?: string
  /** Node number of the gateway. */
  gateway?: number
  /** Milliseconds since 1970. */
  arrivedAt: number
}

/** Checks a packet, decrypts it if need be, and reads what it carries. @throws ProtobufError */
export function readHeardPacket(packet: MeshPacket, arrival: Arrival, settings: MeshSettings): MeshReading {
  const { from = 0, to = 0, id: packetId = 0, encrypted, channel: hash = 0, isPki, ...heard } = packet
  const { channelName, gateway, arrivedAt } = arrival
  const refuse = (why: Extract<MeshReading, { is: 'refused' }>['why']): MeshReading => ({
    is: 'refused',
    why,
    from,
    ...(channelName ? { channelName } : {}),
  })
  const problem = problemOf({ from, ...heard })
  if (problem) return refuse(problem)
  let { decoded } = packet
  if (!decoded) {
    if (!encrypted) return refuse('malformed')
    if (isPki || channelName === PKI_CHANNEL) return refuse('pki')
    const sealed = { from, packetId, hash, encrypted, ...(channelName ? { channelName } : {}) }
    decoded = decryptPacket(sealed, settings.channels) ?? undefined
    if (!decoded) return refuse('undecryptable')
  }
  const addresses = { from, to, ...(gateway === undefined ? {} : { gateway }) }
  const parts = readPayload(decoded.port ?? 0, decoded.payload ?? NO_BYTES, addresses, settings)
  return {
    is: 'messages',
    messages: messagesOf(
      parts,
      { from, to, packetId, ...heard, ...arrival, ...senderFacts(decoded) },
      arrivedAt,
    ),
  }
}

/** What makes a packet nobody's, whatever form it came in. */
export function problemOf(heard: Pick<HeardHeader, 'from' | 'viaMqtt' | 'hopLimit' | 'hopStart' | 'hops'>) {
  const { from, viaMqtt, hopLimit = 0, hopStart = 0, hops = 0 } = heard
  if (from === 0 || from === BROADCAST) return 'bad-sender'
  if (viaMqtt) return 'via-mqtt'
  return Math.max(hopLimit, hopStart, hops) > HOPS_MAX ? 'too-many-hops' : null
}

export interface HeardHeader {
  from: number
  to: number
  packetId: number
  heardAtS?: number
  snr?: number
  rssi?: number
  hopLimit?: number
  hopStart?: number
  /** Where the form counts them itself. */
  hops?: number
  viaMqtt?: boolean
  channelName?: string
  gateway?: number
  isOkToMqtt?: boolean
  firmware?: '2.5' | '2.8'
}

/** The contents of one packet, each with the packet's header. */
export function messagesOf(parts: ContentPart[], header: HeardHeader, arrivedAt: number): MeshMessage[] {
  const { from, to, packetId, heardAtS, snr, rssi, channelName, gateway, isOkToMqtt, firmware } = header
  const hops = header.hops ?? hopsOf(header)
  return parts.map(({ content, senderTimesS = [], relayedDevice }) => ({
    sender: { is: 'node', nodeNumber: from, nodeId: nodeIdOf(from) },
    ...(relayedDevice === undefined ? {} : { relayedDevice }),
    ...(gateway === undefined ? {} : { heardBy: nodeIdOf(gateway) }),
    ...(channelName ? { channelName } : {}),
    packetId,
    to,
    ...(hops === undefined ? {} : { hops }),
    ...(rssi ? { rssi, snr: Number.isFinite(snr) ? (snr as number) : 0 } : {}),
    times: readTimes(senderTimesS, heardAtS, arrivedAt),
    ...(isOkToMqtt === undefined ? {} : { isOkToMqtt }),
    ...(firmware ? { firmware } : {}),
    content,
  }))
}

/** A hop start of 0 is one only from firmware that has a bitfield; before that it may mean that nobody said. */
function hopsOf({ hopStart = 0, hopLimit = 0, firmware }: HeardHeader): number | undefined {
  const isKnown = hopStart > 0 || firmware !== undefined
  return isKnown && hopLimit <= hopStart ? hopStart - hopLimit : undefined
}

function senderFacts({ bitfield, signature }: Data): Pick<HeardHeader, 'isOkToMqtt' | 'firmware'> {
  const isSigned = signature?.length === SIGNATURE_BYTES
  return {
    ...(bitfield === undefined ? {} : { isOkToMqtt: (bitfield & 1) === 1 }),
    ...(isSigned ? { firmware: '2.8' } : bitfield === undefined ? {} : { firmware: '2.5' }),
  }
}

/** How gateways call the packets between two nodes alone. */
const PKI_CHANNEL = 'PKI'
const SIGNATURE_BYTES = 64
/** Three bits on the air. */
const HOPS_MAX = 7
const NO_BYTES = Buffer.alloc(0)

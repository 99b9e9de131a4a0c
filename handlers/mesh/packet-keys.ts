import type { MeshMessage } from './mesh-message.js'
import { nodeIdOf } from '../../store/node-ids.js'
import { createSeenPackets } from './seen-packets.js'

/**
 * By what copies of a message are known within one app, or null when every copy counts by itself.
 *
 * SOS and cancel are never thrown away for it: the first copy may not have been stored yet, so they always go to
 * the store, which knows them by SosKeys. What carries nothing that is taken has no key either: the JSON of a
 * packet may be empty where its envelope is not. Fragments are joined first.
 */
export function seenKeyOf({ sender, packetId, relayedDevice, content, times }: MeshMessage): string | null {
  if (NEVER_SEEN.has(content.is)) return null
  if (sender.is === 'node' && packetId !== 0)
    return `${packetKey(sender.nodeNumber, packetId)}${relayedDevice === undefined ? '' : ` ${relayedDevice}`}`
  const isRadio = (content.is === 'position' || content.is === 'no-position') && content.radio
  if (!isRadio) return null
  // Without a packet id only equal content is known again, and only for a while: it recurs when nobody moves.
  const slot = Math.floor(times.arrivedAt / RADIO_REPEAT_MS)
  return `radio ${slot} ${JSON.stringify([content.radio, content.is === 'position' ? content.fix : null])}`
}

/**
 * The key under which an SOS is counted in once, whatever restarts between its copies: SosReport.reportKey. Keys of
 * the SDK's reports are digits alone, so none of these is one. Undefined: every copy counts, which an open incident
 * takes as an update.
 */
export type SosKeys = (appId: string, message: MeshMessage) => string | undefined

/**
 * A packet id is known for ever. An EIXAM packet's id has sixteen values, and its retries and relays come under new
 * packet ids: they are one report by device, id and type for RADIO_SOS_MS, and after that the same values are a new call
 * for help. The key holds when this process saw the first of them; a packet that is flooded again an hour later has
 * the key that it had.
 */
export function createSosKeys(): SosKeys {
  const packets = createSeenPackets()
  const calls = createSeenPackets({ keepMs: RADIO_SOS_MS })
  return (appId, { sender, packetId, content, times }) => {
    if (content.is !== 'sos') return undefined
    const packet = sender.is === 'node' && packetId !== 0 ? packetKey(sender.nodeNumber, packetId) : undefined
    if (!content.radio) return content.timestampKey ?? packet
    const { device, packetId: callId = '', sosType = '' } = content.radio
    const call = `radio ${device} ${callId} ${sosType}`
    const calledAt = calls.see(appId, call, times.arrivedAt)
    const firstAt = packet === undefined ? calledAt : packets.see(appId, packet, calledAt)
    return `${call} ${Math.floor(firstAt / RADIO_SOS_MS)}`
  }
}

export function packetKey(nodeNumber: number, packetId: number): string {
  return `mesh ${nodeIdOf(nodeNumber)} ${packetId.toString(16).padStart(8, '0')}`
}

const NEVER_SEEN: ReadonlySet<string> = new Set(['sos', 'cancel', 'fragment', 'other', 'gateway-alive'])
/** Copies of several gateways come within seconds. */
const RADIO_REPEAT_MS = 60_000
/** Four transmissions and their relays are through by then; a new call for help has another id. */
const RADIO_SOS_MS = 10 * 60_000

import { readEixamPacket } from './eixam-radio.js'
import type { EixamKind } from './eixam-radio.js'
import type { FixOrWhy } from './fix.js'
import type { ContentPart, MeshContent, RadioState } from './mesh-message.js'

/** What an EIXAM packet says, and about whom; null when it is none of its kind. */
export function readEixamContents(kind: EixamKind, bytes: Buffer): ContentPart[] | null {
  const packet = readEixamPacket(kind, bytes)
  switch (packet?.is) {
    case 'sos': {
      const { state, position } = packet
      const relayed = state.relays > 0 ? { relayedDevice: state.device } : {}
      if (state.sosType === 0)
        return [{ content: positionOf(position ?? { why: 'missing' }, state), ...relayed }]
      const fix = position && 'fix' in position ? { fix: position.fix } : {}
      return [{ content: { is: 'sos', trigger: 'radio', ...fix, radio: state }, ...relayed }]
    }
    case 'sos-event': {
      const { by, becomes, device } = packet
      return [{ content: { is: 'cancel', by, ...(becomes ? { becomes } : {}), device } }]
    }
    case 'tel':
      return [{ content: positionOf(packet.position, packet.state) }]
    case 'tel-relay': {
      const { own, peer } = packet
      return [
        { content: positionOf(own.position, own.state) },
        { content: positionOf(peer.position, peer.state), relayedDevice: peer.state.device },
      ]
    }
    case 'status': {
      const { batteryPercent: percent } = packet.state
      const battery = percent === undefined ? {} : { battery: { percent, isPowered: false } }
      return [{ content: { is: 'telemetry', ...battery } }]
    }
    case 'fragment':
      return [{ content: packet }]
    case 'rescue':
      return [{ content: { is: 'other' } }]
    case undefined:
      return null
  }
}

function positionOf(position: FixOrWhy, radio: RadioState): MeshContent {
  return 'fix' in position
    ? { is: 'position', fix: position.fix, radio }
    : { is: 'no-position', why: position.why, radio }
}

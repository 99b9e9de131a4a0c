import { readEixamContents } from './eixam-content.js'
import type { EixamFragment } from './eixam-radio.js'
import type { MeshMessage } from './mesh-message.js'

/** Messages as they are, but for the parts of EIXAM packets: those wait until the packet is whole. */
export type FragmentJoiner = (appId: string, messages: MeshMessage[]) => MeshMessage[]

interface Parts {
  total: number
  byOffset: Map<number, Buffer>
  at: number
}

/**
 * Puts EIXAM telemetry together that crossed Bluetooth in parts. One packet of each sender is under way at a time; parts
 * that contradict each other, or come too late, begin a new one.
 */
export function createFragmentJoiner({ keepMs = KEEP_MS, sendersMax = SENDERS_MAX } = {}): FragmentJoiner {
  const waiting = new Map<string, Parts>()

  /** The whole packet, or null while parts of it are missing. */
  function add(key: string, { total, offset, bytes }: EixamFragment, now: number): Buffer | null {
    const known = waiting.get(key)
    const isSame = known && known.total === total && now - known.at < keepMs && fits(known, offset, bytes)
    const parts = isSame ? known : { total, byOffset: new Map<number, Buffer>(), at: now }
    parts.byOffset.set(offset, bytes)
    if (!isSame) keep(key, parts)
    if ([...parts.byOffset.values()].reduce((sum, part) => sum + part.length, 0) < total) return null
    waiting.delete(key)
    return Buffer.concat(
      [...parts.byOffset].toSorted(([one], [other]) => one - other).map(([, part]) => part),
    )
  }

  function keep(key: string, parts: Parts): void {
    waiting.delete(key)
    if (waiting.size >= sendersMax) waiting.delete(waiting.keys().next().value as string)
    waiting.set(key, parts)
  }

  return (appId, messages) =>
    messages.flatMap((message) => {
      const { sender, content, times } = message
      if (content.is !== 'fragment') return [message]
      const key = `${appId} ${sender.is === 'node' ? sender.nodeId : sender.hardwareId}`
      const whole = add(key, content, times.arrivedAt)
      const contents = (whole && readEixamContents('tel', whole)) ?? []
      return contents.flatMap((part) => {
        if (part.content.is === 'fragment') return [] // parts of parts are nobody's
        const about = part.relayedDevice === undefined ? {} : { relayedDevice: part.relayedDevice }
        return [{ ...message, ...about, content: part.content }]
      })
    })
}

/** The same part again fits, as copies of several gateways are; one that overlaps another does not. */
function fits({ byOffset }: Parts, offset: number, bytes: Buffer): boolean {
  return [...byOffset].every(([start, part]) =>
    start === offset && part.length === bytes.length
      ? part.equals(bytes)
      : start >= offset + bytes.length || start + part.length <= offset,
  )
}

/** Parts follow each other within a second; a gateway may have to connect again in between. */
const KEEP_MS = 10_000
const SENDERS_MAX = 1_000

import type { Identity, Version } from './packets.js'
import type { Transport } from './wire.js'

/** What the generator is told, as its first line of JSON. The second line, of any content, says: go. */
export interface Order {
  /**
   * closed: everybody has `window` messages in flight. open: `rate` messages a second in all, whatever the answers do.
   * hold: connected, and nothing. return: as hold, and whoever loses its connection comes back after two seconds.
   */
  loop: 'closed' | 'open' | 'hold' | 'return'
  what: 'telemetry' | 'sos'
  transport: Transport
  version: Version
  /** Client i connects to the port i modulo their number. */
  ports: number[]
  identities: Identity[]
  isSubscriber: boolean
  window: number
  rate: number
  warmUpMs: number
  measuredMs: number
  /** Kept in every telemetry record, to tell it from those of other runs. */
  run: string
  /** A stream of Redis in which the SOS turn up once they are stored. */
  watch?: { socket: string; stream: string }
}

/** Its lines of JSON, in this order. */
export type Report =
  | { at: 'up'; seconds: number; connected: number; failed: number }
  | { at: 'window' }
  | { at: 'end' }
  | ({ at: 'result' } & LoadResult)
  /** Of `return`: everybody is connected again. */
  | { at: 'back' }

export interface LoadResult {
  /** Answered inside the measured window. */
  acknowledged: number
  /** Events that came inside the measured window. */
  events: number
  refused: number
  /** Connections lost before the end. */
  lost: number
  /** Milliseconds from the intended time, of what was due inside the window; only of an open loop. */
  latencies: { puback: number[]; event: number[]; stored: number[] }
  /** Milliseconds by which the generator itself sent late. */
  lateness: number[]
  /** Acknowledged in all, by client: its numbers from the first on. */
  acknowledgedOf: number[]
  /** Part of the window in which the generator worked, 0 to 1. */
  busy: number
}

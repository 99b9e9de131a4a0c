import { isLoopback, networkOf } from '../../auth/throttle.js'
import { Pacer } from '../gate/pacer.js'

export interface DoorLimits {
  /** Connections that have neither sent a whole CONNECT nor whole HTTP headers. */
  halfOpenPerAddress: number
  halfOpenMax: number
  /** Open connections, before and after login. */
  connectionsPerAddress: number
  /** New connections a second; twice as many may come at once. */
  ratePerAddress: number
  rateMax: number
  /** Lateness of the event loop above which new connections are refused. */
  loopLagMaxMs: number
  /** Whether loopback addresses are limited too. */
  limitLoopback: boolean
}

export type Refusal =
  'loop-lag' | 'half-open-address' | 'half-open-all' | 'connections-address' | 'rate-address' | 'rate-all'

/** One admitted connection in the books. Each of the two is said once; to leave without having passed is both. */
export interface Visit {
  /** CONNECT or the HTTP headers are whole. */
  passed(): void
  left(): void
}

export type Admission = { is: 'admitted'; visit: Visit } | { is: 'refused'; why: Refusal }

interface Guest {
  network: string
  connections: number
  halfOpen: number
  pacer: Pacer
  /** Of the last arrival, in performance.now() milliseconds. */
  lastAt: number
}

/**
 * Decides on each new connection by its address, before a byte of it is read. IPv6 is counted by /64. Exempt
 * addresses are neither limited nor counted.
 */
export function createDoorman(options: {
  limits: DoorLimits
  isProxy: (address: string) => boolean
  lagMs: () => number
}) {
  const { limits, isProxy, lagMs } = options
  const guests = new Map<string, Guest>()
  const everybody = { halfOpen: 0, pacer: new Pacer(limits.rateMax, limits.rateMax * BURST_SECONDS) }
  const sweeper = setInterval(forgetOldGuests, BURST_SECONDS * 1_000)
  sweeper.unref()

  function refusalOf(guest: Guest): Refusal | null {
    const lag = lagMs()
    if (lag > 2 * limits.loopLagMaxMs) return 'loop-lag'
    if (lag > limits.loopLagMaxMs && guest.halfOpen >= HALF_OPEN_WHILE_LATE) return 'loop-lag'
    if (guest.halfOpen >= limits.halfOpenPerAddress) return 'half-open-address'
    if (guest.connections >= limits.connectionsPerAddress) return 'connections-address'
    if (everybody.halfOpen >= limits.halfOpenMax) return 'half-open-all'
    // In this order, so that one address cannot use up what all have.
    if (!guest.pacer.take()) return 'rate-address'
    if (!everybody.pacer.take()) return 'rate-all'
    return null
  }

  function guestOf(network: string): Guest {
    let guest = guests.get(network)
    if (!guest) {
      const pacer = new Pacer(limits.ratePerAddress, limits.ratePerAddress * BURST_SECONDS)
      guest = { network, connections: 0, halfOpen: 0, pacer, lastAt: 0 }
      guests.set(network, guest)
    }
    guest.lastAt = performance.now()
    return guest
  }

  function visitOf(guest: Guest): Visit {
    let isHalfOpen = true
    let isHere = true
    guest.connections++
    guest.halfOpen++
    everybody.halfOpen++
    const passed = () => {
      if (!isHalfOpen) return
      isHalfOpen = false
      guest.halfOpen--
      everybody.halfOpen--
    }
    return {
      passed,
      left() {
        passed()
        if (isHere) guest.connections--
        isHere = false
      },
    }
  }

  /** Who has nothing open and a full bucket again is like somebody who was never here. */
  function forgetOldGuests(): void {
    const before = performance.now() - BURST_SECONDS * 1_000
    for (const guest of guests.values())
      if (guest.connections === 0 && guest.lastAt < before) guests.delete(guest.network)
  }

  return {
    admit(address: string): Admission {
      if (isProxy(address) || (!limits.limitLoopback && isLoopback(address)))
        return { is: 'admitted', visit: UNCOUNTED }
      const guest = guestOf(networkOf(address))
      const why = refusalOf(guest)
      return why ? { is: 'refused', why } : { is: 'admitted', visit: visitOf(guest) }
    },
    /** Addresses in the books. */
    get guests(): number {
      return guests.size
    },
    stop: () => clearInterval(sweeper),
  }
}

const UNCOUNTED: Visit = { passed() {}, left() {} }
/** Phones come back 2 s after they lost us, all at once. */
const BURST_SECONDS = 2
/** While the loop is late an address that floods us waits, and one with a few phones does not. */
const HALF_OPEN_WHILE_LATE = 16

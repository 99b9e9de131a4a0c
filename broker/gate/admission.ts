import type { UnderWay } from './taking.js'

/** The room that the telemetry of all connections shares. An SOS needs none. */
export interface Admission {
  readonly hasRoom: boolean
  /** Whether so many messages may go on at once, whatever the turn: for a connection that ends. */
  hasRoomFor(count: number): boolean
  take(): void
  /** Calls `enter` once there may be room again; whoever waits longest is first. */
  wait(enter: () => void): void
  leave(enter: () => void): void
  /** Bytes that a connection may let wait before its socket is read no further. */
  readonly waitingBytesMax: number
  /** So many bytes more wait at a connection, or less. */
  count(bytes: number): void
}

/**
 * Lets `perTurn` telemetry messages into each turn of the event loop, and no more while `underWayMax` of them, or
 * UNDER_WAY_BYTES_MAX, wait for the store. So a turn stays short however many clients send, and an SOS is in the next one.
 * While an SOS is `underWay` only `perTurnBesideSos`: its way to the store and back is several turns long.
 */
export function createAdmission(options: {
  perTurn: number
  perTurnBesideSos: number
  underWayMax: number
  underWay: Pick<UnderWay, 'count'>
}) {
  const { perTurn, perTurnBesideSos, underWayMax } = options
  /** Let in during this turn; the handlers count them from then on. */
  let entering = 0
  let waitingBytes = 0
  let waitingForStore = 0
  let waitingForStoreBytes = 0
  let isTurnWatched = false
  const waiting = new Set<() => void>()

  const isFull = () => waitingForStore >= underWayMax || waitingForStoreBytes >= UNDER_WAY_BYTES_MAX

  function watchTurn(): void {
    if (isTurnWatched) return
    isTurnWatched = true
    setImmediate(() => {
      isTurnWatched = false
      entering = 0
      letIn()
    })
  }

  function letIn(): void {
    // Whoever is not through yet joins the end.
    for (const enter of waiting) {
      if (!admission.hasRoom) break
      waiting.delete(enter)
      enter()
    }
    if (waiting.size > 0 && !isFull()) watchTurn()
  }

  const admission: Admission & {
    /** Counts what was just begun as one message, of so many bytes, that is under way until it is done. */
    around<Result>(work: Promise<Result>, bytes?: number): Promise<Result>
    /** For whoever watches: bytes that wait at connections, and messages that wait for the store. */
    readonly load: { waitingBytes: number; underWay: number }
  } = {
    get hasRoom() {
      return entering < (options.underWay.count > 0 ? perTurnBesideSos : perTurn) && !isFull()
    },
    hasRoomFor: (count) => waitingForStore + entering + count <= AT_ONCE_MAX,
    take() {
      entering++
      watchTurn()
    },
    wait(enter) {
      waiting.add(enter)
      if (!isFull()) watchTurn()
    },
    get waitingBytesMax() {
      return waitingBytes < ALL_WAITING_BYTES_MAX ? WAITING_BYTES_MAX : CROWDED_WAITING_BYTES_MAX
    },
    count(bytes) {
      waitingBytes += bytes
    },
    leave: (enter) => void waiting.delete(enter),
    get load() {
      return { waitingBytes, underWay: waitingForStore }
    },
    around(work, bytes = 0) {
      waitingForStore++
      waitingForStoreBytes += bytes
      const end = () => {
        const wasFull = isFull()
        waitingForStore--
        waitingForStoreBytes -= bytes
        if (wasFull && !isFull()) watchTurn()
      }
      work.then(end, end)
      return work
    },
  }
  return admission
}

/** Each is in memory several times until the store has it: as it came, as fields, as what is sent to the store. */
const UNDER_WAY_BYTES_MAX = 1_048_576
/** Four connections that are gone with all that waited; a quarter of a second of work. */
const AT_ONCE_MAX = 4_096
/** What an SOS of the same client can overtake: at 200 bytes a message, 16 s of the default rate. */
const WAITING_BYTES_MAX = 65_536
/** Then a thousand clients send without pause, and ten thousand must not cost a gigabyte. */
const ALL_WAITING_BYTES_MAX = 64 * 1024 * 1024
const CROWDED_WAITING_BYTES_MAX = 4_096

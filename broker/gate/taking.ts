/** Publications of all connections that wait for nobody, SOS above all: from the gate until each is stored. */
export interface UnderWay {
  readonly count: number
  /** So many are under way, or the bytes of so many, that nobody gets more than one at a time. */
  readonly isCrowded: boolean
  add(bytes: number): void
  remove(bytes: number): void
}

export function createUnderWay(): UnderWay {
  let count = 0
  let bytesInAll = 0
  return {
    get count() {
      return count
    },
    get isCrowded() {
      return count >= CROWD || bytesInAll >= CROWD_BYTES
    },
    add(bytes) {
      count++
      bytesInAll += bytes
    },
    remove(bytes) {
      count--
      bytesInAll -= bytes
    },
  }
}

/**
 * What one connection has at the handlers. Beyond a bound its bytes stay in the kernel until some of it is stored; while
 * others have much under way, that bound is one. Nobody waits who has none: a call for help goes ahead of a flooder's
 * second. Nothing is dropped, and no rate is set: a client that waits for its answers never meets the bound.
 */
export class Taking {
  #count = 0
  #bytes = 0
  #isHeld = false

  constructor(readonly underWay: UnderWay) {}

  /** What is paced has bounds of its own for all of its kind, and counts for this connection only. */
  begin(bytes: number, isPaced: boolean): void {
    this.#count++
    if (isPaced) return
    this.#bytes += bytes
    this.underWay.add(bytes)
  }

  /** It is stored, or refused. True when this connection was held for it, and may send more now. */
  end(bytes: number, isPaced: boolean): boolean {
    this.#count--
    if (!isPaced) {
      this.#bytes -= bytes
      this.underWay.remove(bytes)
    }
    if (!this.#isHeld || !this.#hasRoom()) return false
    this.#isHeld = false
    return true
  }

  /** Whether another may go on; if not, `end` tells when. */
  mayTake(): boolean {
    if (this.#hasRoom()) return true
    this.#isHeld = true
    return false
  }

  #hasRoom(): boolean {
    if (this.#count === 0) return true
    return !this.underWay.isCrowded && this.#count < COUNT_MAX && this.#bytes < BYTES_MAX
  }
}

/** Of one connection. A phone has a handful. */
const COUNT_MAX = 64
/** The largest packet; an SOS with every field is below 4 KiB. */
const BYTES_MAX = 65_536
/** Each costs some 6 KiB until it is stored; more at a time made the store no faster. */
const CROWD = 256
/** Each is in memory several times: as it came, as text, as fields, as what is sent to the store. */
const CROWD_BYTES = 1_048_576

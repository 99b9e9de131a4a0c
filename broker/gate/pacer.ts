/**
 * Token bucket of one connection: `perSecond` on average, `burst` at once. Time comes from the monotonic
 * clock, so a jump of the wall clock neither floods nor stalls anyone.
 */
export class Pacer {
  #tokens: number
  #at: number

  constructor(
    readonly perSecond: number,
    readonly burst: number,
    readonly nowMs: () => number = () => performance.now(),
  ) {
    this.#tokens = burst
    this.#at = nowMs()
  }

  /** Takes so many tokens if they are there. What costs more than the bucket holds goes from a full one, on credit. */
  take(cost = 1): boolean {
    this.#refill()
    if (this.#tokens < this.#needed(cost)) return false
    this.#tokens -= cost
    return true
  }

  /** Milliseconds until so many tokens are there; at least 1. */
  waitMs(cost = 1): number {
    this.#refill()
    return Math.max(1, Math.ceil(((this.#needed(cost) - this.#tokens) / this.perSecond) * 1000))
  }

  #needed(cost: number): number {
    return Math.min(cost, this.burst)
  }

  #refill(): void {
    const now = this.nowMs()
    this.#tokens = Math.min(this.burst, this.#tokens + ((now - this.#at) / 1000) * this.perSecond)
    this.#at = now
  }
}

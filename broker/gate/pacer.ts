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

  /** Takes a token if there is one. */
  take(): boolean {
    this.#refill()
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** Milliseconds until the next token; at least 1. */
  waitMs(): number {
    this.#refill()
    return Math.max(1, Math.ceil(((1 - this.#tokens) / this.perSecond) * 1000))
  }

  #refill(): void {
    const now = this.nowMs()
    this.#tokens = Math.min(this.burst, this.#tokens + ((now - this.#at) / 1000) * this.perSecond)
    this.#at = now
  }
}

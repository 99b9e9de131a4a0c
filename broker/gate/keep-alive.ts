/**
 * Ends a connection on which no packet came for one and a half times its Keep Alive, [MQTT-3.1.2-24]. While we ourselves do
 * not read what the client sends, silence says nothing about it.
 */
export class KeepAlive {
  readonly #limitMs: number
  readonly #isHeldBack: () => boolean
  readonly #onSilence: () => void
  #heardAt = performance.now()
  #timer: NodeJS.Timeout | null = null

  /** `seconds` as in CONNECT: 0 turns it off. */
  constructor(seconds: number, options: { isHeldBack: () => boolean; onSilence: () => void }) {
    this.#limitMs = seconds * 1_500
    this.#isHeldBack = options.isHeldBack
    this.#onSilence = options.onSilence
    if (seconds > 0) this.#lookIn(this.#limitMs)
  }

  /** A packet came. The timer stays as it is: it looks at this when it is due. */
  heard(): void {
    this.#heardAt = performance.now()
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => {
      if (this.#isHeldBack()) this.heard()
      const leftMs = this.#heardAt + this.#limitMs - performance.now()
      if (leftMs <= 0) this.#onSilence()
      else this.#lookIn(Math.max(1, leftMs))
    }, ms)
  }
}

/** Chance that comes out the same again for the same seed. */
export interface Chance {
  /** From `least` to `most`, both included. */
  whole(least: number, most: number): number
  /** True in so many of a hundred cases. */
  percent(cases: number): boolean
  /** The same entries in another order. */
  shuffle<Entry>(entries: Entry[]): Entry[]
}

/** mulberry32: enough to spread kills over time. `seed` is a whole number below 2^32. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
  const whole = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    whole,
    percent: (cases) => next() * 100 < cases,
    shuffle(entries) {
      const shuffled = [...entries]
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = whole(0, i)
        ;[shuffled[i], shuffled[j]] = [shuffled[j] as (typeof entries)[0], shuffled[i] as (typeof entries)[0]]
      }
      return shuffled
    },
  }
}

/** Counts by key within a window of time; what comes above `perWindow` is over it. */
export interface PacketRate {
  /** Counts one more at `now` (ms since 1970); whether it is within the rate. */
  take(key: string, now: number): boolean
}

/** Bounded: when there are more than `keysMax` keys the counting begins anew, which lets too many through, never too few. */
export function createPacketRate({
  perWindow,
  windowMs,
  keysMax = KEYS_MAX,
}: {
  perWindow: number
  windowMs: number
  keysMax?: number
}): PacketRate {
  const counts = new Map<string, { window: number; count: number }>()
  return {
    take(key, now) {
      const window = Math.floor(now / windowMs)
      const known = counts.get(key)
      if (known?.window === window) return ++known.count <= perWindow
      if (!known && counts.size >= keysMax) counts.clear()
      counts.set(key, { window, count: 1 })
      return perWindow > 0
    },
  }
}

/** Some 2 MB. */
const KEYS_MAX = 20_000

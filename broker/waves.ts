import { setTimeout as wait } from 'node:timers/promises'

/**
 * Sends `all` away in waves within `drainMs`, so that the other nodes take them in one after the other and not at
 * once. As few as one wave takes go together: nobody waits for them.
 */
export async function leaveInWaves<Client>(
  all: Client[],
  drainMs: number,
  leave: (wave: Client[], left: number) => void,
): Promise<void> {
  const size = sizeOfWave(all.length, drainMs)
  const startedAt = performance.now()
  for (let at = 0; at < all.length; at += size) {
    // By the clock, so that a machine that is late with one wave is not late with all that follow.
    if (at > 0) await wait(Math.max(0, startedAt + (at / size) * PAUSE_MS - performance.now()))
    const wave = all.slice(at, at + size)
    leave(wave, all.length - at - wave.length)
  }
}

/** How many go at a time. */
export function sizeOfWave(count: number, drainMs: number): number {
  const waves = Math.floor(drainMs / PAUSE_MS)
  return waves < 2 ? Math.max(1, count) : Math.max(WAVE_MIN, Math.ceil(count / waves))
}

const PAUSE_MS = 250
/** One node takes 400 TLS logins a second besides its work. */
const WAVE_MIN = 100

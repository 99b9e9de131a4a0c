interface MemoryReading {
  minute: number
  /** Megabytes the kernel counts as resident. */
  resident: number
  /** The same without mapped files: the store's file is in memory as far as it was touched. */
  own: number
}

const LIMIT = 0.1

/**
 * Memory is flat when the last tenth of the run holds at most 10 % more than the tenth behind the warm-up, which is the
 * first quarter; medians of both.
 */
export function judgeMemory(readings: MemoryReading[]): { text: string; failure: string | null } {
  const length = readings.at(-1)?.minute ?? 0
  const between = (from: number, to: number) =>
    readings.filter(({ minute }) => minute >= from * length && minute <= to * length)
  const warm = between(0.25, 0.35)
  const last = between(0.9, 1)
  if (warm.length === 0 || readings.length < 10)
    return { text: 'memory: too few readings to judge it', failure: null }
  const told = (['resident', 'own'] as const).map((kind) => {
    const [before, after] = [median(warm.map((one) => one[kind])), median(last.map((one) => one[kind]))]
    return { kind, before, after, growth: after / before - 1 }
  })
  const text = told
    .map(
      ({ kind, before, after, growth }) =>
        `memory, ${kind}: ${before.toFixed(1)} MB after warm-up, ${after.toFixed(1)} MB at the end (${(growth * 100).toFixed(1)} %)`,
    )
    .join('\n')
  return { text, failure: told.some(({ growth }) => growth > LIMIT) ? `memory is not flat\n${text}` : null }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

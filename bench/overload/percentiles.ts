/** Milliseconds as `p50 1.2, p99 3.4, max 5.6 ms`. */
export function describeLatencies(latencies: number[]): string {
  const { p50, p99, max } = percentiles(latencies)
  return `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)} ms (${latencies.length})`
}

export function percentiles(latencies: number[]): { p50: number; p99: number; max: number } {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN }
}

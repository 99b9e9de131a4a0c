/** A valid SOS report; each `second` makes another one. */
export function sosReport(second = 0, more: object = {}): Buffer {
  const timestamp = `2026-05-01T10:00:${String(second).padStart(2, '0')}.123Z`
  return Buffer.from(
    JSON.stringify({
      timestamp,
      latitude: 41.4,
      longitude: 2.2,
      altitude: 0,
      deviceId: 'CF:82:00:00:00:01',
      ...more,
    }),
  )
}

/** The `timestamp` of `sosReport(second)`. */
export function timeOf(second: number): string {
  return (JSON.parse(sosReport(second).toString()) as { timestamp: string }).timestamp
}

const PORTS = ['MQTT_PORT', 'MQTTS_PORT', 'HTTP_PORT', 'HTTPS_PORT', 'ADMIN_PORT'] as const
const EVERYWHERE = new Set(['0.0.0.0', '::'])

/** One line for each listener that wants the port of one before it, on an address that both would use. */
export function findPortConflicts(values: Record<string, unknown>): string[] {
  const problems: string[] = []
  for (const [i, name] of PORTS.entries()) {
    const port = values[name]
    if (typeof port !== 'number' || port === 0) continue
    const other = PORTS.slice(0, i).find((before) => values[before] === port && meet(values, before, name))
    if (other) problems.push(`${name}: ${port} is also ${other}; give each a port of its own, or off`)
  }
  return problems
}

function meet(values: Record<string, unknown>, one: string, other: string): boolean {
  const [a, b] = [one, other].map((name) => String(values[name === 'ADMIN_PORT' ? 'ADMIN_HOST' : 'HOST']))
  return a === b || EVERYWHERE.has(a as string) || EVERYWHERE.has(b as string)
}

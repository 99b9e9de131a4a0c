import { SETTINGS } from './config.js'

export interface UnknownVariable {
  variable: string
  /** The setting that was probably meant. */
  meant: string
}

/** Variables that are no setting of ours and are named nearly like one: a typing mistake that would do nothing. */
export function findUnknownVariables(environment: NodeJS.ProcessEnv): UnknownVariable[] {
  return Object.keys(environment).flatMap((variable) => {
    const value = environment[variable] ?? ''
    // Kubernetes describes every service of a name space so: REDIS_PORT=tcp://10.0.0.1:6379.
    if (KNOWN.has(variable) || value === '' || /^(tcp|udp):\/\//.test(value)) return []
    const meant = meantBy(variable)
    return meant === undefined ? [] : [{ variable, meant }]
  })
}

function meantBy(variable: string): string | undefined {
  const name = variable.toUpperCase().replace(/^(CONNECT_BROKER|BROKER)_/, '')
  if (KNOWN.has(name)) return name
  if (/^REDIS_(HOST|PORT|PASSWORD|USERNAME|DB|TLS)$/.test(name)) return 'REDIS_URL'
  if (name.includes('_') && `${name}_FILE` in SETTINGS) return `${name}_FILE`
  if (OTHERS.has(name)) return undefined
  const near = [...KNOWN]
    // A short name has many words near it, HOME and POST among them.
    .filter((setting) => setting.length > 5)
    .map((setting) => ({ setting, distance: distanceOf(name, setting) }))
    .filter(({ distance }) => distance <= 2)
    .toSorted((a, b) => a.distance - b.distance)[0]
  return near?.setting
}

const KNOWN = new Set(Object.keys(SETTINGS).flatMap((name) => [name, `${name}_FILE`]))
/** OpenSSL's, and what CGI calls a header. */
const OTHERS = new Set(['SSL_CERT_FILE', 'HTTP_HOST'])

/** Letters put in, left out, changed or swapped with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Infinity
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        last![j]! + 1,
        row[j - 1]! + 1,
        last![j - 1]! + (isSame ? 0 : 1),
        isSwap ? before![j - 2]! + 1 : Infinity,
      )
    }
    ;[before, last] = [last, row]
  }
  return last![b.length]!
}

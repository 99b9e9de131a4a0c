import type { Config } from '../config.js'

export type EndpointKind = 'tcp' | 'tls' | 'ws' | 'wss' | 'http' | 'https'

/** A place where clients come in. */
export interface Endpoint {
  kind: EndpointKind
  host: string
  port: number
  /** Of a WebSocket. */
  path: string
  /** One of the listeners that the settings describe, and not an address in front of them. */
  isOwn: boolean
}

export function isTls({ kind }: Endpoint): boolean {
  return kind === 'tls' || kind === 'wss' || kind === 'https'
}

export function isHttp({ kind }: Endpoint): boolean {
  return kind === 'http' || kind === 'https'
}

/** Every listener that the settings open; `unknown` are those on any free port. */
export function ownEndpoints({ host, ports }: Config): { endpoints: Endpoint[]; unknown: string[] } {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  const kinds: [EndpointKind, 'mqtt' | 'mqtts' | 'http' | 'https'][] = [
    ['http', 'http'],
    ['https', 'https'],
    ['tcp', 'mqtt'],
    ['tls', 'mqtts'],
    ['ws', 'http'],
    ['wss', 'https'],
  ]
  const endpoints = kinds.flatMap(([kind, listener]) => {
    const port = ports[listener]
    return port ? [{ kind, host: name, port, path: '/mqtt', isOwn: true }] : []
  })
  const unknown = (['mqtt', 'mqtts', 'http', 'https'] as const).filter((listener) => ports[listener] === 0)
  return { endpoints, unknown: unknown.map((listener) => `${listener.toUpperCase()}_PORT`) }
}

/**
 * An address as an app is given it, by which phones come through whatever is in front.
 *
 * @throws when it is none.
 */
export function readEndpoint(text: string): Endpoint {
  const url = new URL(text)
  const [kind, port] = SCHEMES[url.protocol] ?? []
  if (!kind || url.hostname === '') throw new Error(`${url.protocol}// is not spoken here`)
  return {
    kind,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (port as number) : Number(url.port),
    path: url.pathname === '/' || url.pathname === '' ? '/mqtt' : url.pathname,
    isOwn: false,
  }
}

const SCHEMES: Record<string, [EndpointKind, port: number]> = {
  'mqtt:': ['tcp', 1883],
  'tcp:': ['tcp', 1883],
  'mqtts:': ['tls', 8883],
  'ssl:': ['tls', 8883],
  'tls:': ['tls', 8883],
  'ws:': ['ws', 80],
  'wss:': ['wss', 443],
  'http:': ['http', 80],
  'https:': ['https', 443],
}

import type { ClusterNode, RedisOptions } from 'ioredis'

/** How Redis is reached: one server, the master that Sentinels name, or a cluster. */
export type RedisAddress =
  | { is: 'server' | 'sentinel'; options: RedisOptions }
  | { is: 'cluster'; nodes: ClusterNode[]; options: RedisOptions }

/**
 * Reads REDIS_URL:
 *
 *     redis://[[user]:password@]host[:port][/database], rediss:// for TLS, unix://path or a path
 *     redis+sentinel://[[user]:password@]host[:port],host[:port]…/<master name>[/database]
 *     redis+cluster://[[user]:password@]host[:port],host[:port]…
 *
 * `rediss+…` for TLS. The password is that of Redis; `?sentinelPassword=` has the Sentinels' own.
 *
 * @throws when the URL is none of these.
 */
export function addressOf(url: string): RedisAddress {
  if (url.startsWith('/')) return { is: 'server', options: { path: url } }
  const [, scheme = '', hosts] = /^([a-z+-]+):\/\/(?:[^@/]*@)?([^/?#]*)/i.exec(url) ?? []
  const [, secure, kind] = /^redis(s?)(?:[+-](sentinel|cluster))?$/i.exec(scheme) ?? []
  // A list of hosts is no URL; with the first alone the rest of it is read.
  const parsed = new URL(hosts === undefined ? url : url.replace(hosts, hosts.split(',', 1)[0] as string))
  const options: RedisOptions = {
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
    ...(secure ? { tls: {} } : {}),
  }
  if (parsed.protocol === 'unix:')
    return { is: 'server', options: { ...options, path: decodeURIComponent(parsed.pathname) } }
  if (secure === undefined || hosts === undefined)
    throw new Error(`scheme ${parsed.protocol}// is not spoken here`)
  const path = parsed.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent)
  switch (kind?.toLowerCase()) {
    case 'sentinel': {
      const [name, db] = path
      if (name === undefined) throw new Error('the path of a sentinel URL is the name of the master')
      const sentinelPassword = parsed.searchParams.get('sentinelPassword')
      return {
        is: 'sentinel',
        options: {
          ...options,
          name,
          db: readDatabase(db),
          sentinels: readHosts(hosts, 26_379),
          ...(sentinelPassword === null ? {} : { sentinelPassword }),
          ...(secure ? { enableTLSForSentinelMode: true } : {}),
        },
      }
    }
    case 'cluster':
      if (path.length > 0) throw new Error('a cluster has no databases')
      return { is: 'cluster', nodes: readHosts(hosts, 6_379), options }
    default:
      if (hosts.includes(',')) throw new Error('several hosts need redis+sentinel:// or redis+cluster://')
      return {
        is: 'server',
        options: { ...options, ...hostAndPort(hosts, 6_379), db: readDatabase(path[0]) },
      }
  }
}

function readHosts(text: string, defaultPort: number) {
  const hosts = text.split(',')
  if (hosts.length > 1 && hosts.includes('')) throw new Error('a host is missing between the commas')
  return hosts.map((host) => hostAndPort(host, defaultPort))
}

function hostAndPort(text: string, defaultPort: number): { host: string; port: number } {
  const { hostname, port } = new URL(`redis://${text}`)
  return {
    host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: port === '' ? defaultPort : Number(port),
  }
}

function readDatabase(text: string | undefined): number {
  const db = Number(text ?? 0)
  if (!Number.isInteger(db) || db < 0) throw new Error('the path of a redis URL is the number of a database')
  return db
}

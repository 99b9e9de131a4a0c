import type { RedisOptions } from 'ioredis'

/**
 * `redis://`, `rediss://`, or the path of a unix socket, plain or as `unix://`.
 *
 * @throws when the URL is none of these.
 */
export function addressOf(url: string): RedisOptions {
  if (url.startsWith('/')) return { path: url }
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  const credentials = {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  }
  if (protocol === 'unix:') return { path: decodeURIComponent(pathname), ...credentials }
  if (protocol !== 'redis:' && protocol !== 'rediss:')
    throw new Error(`scheme ${protocol}// is not spoken here`)
  const db = pathname === '' || pathname === '/' ? 0 : Number(pathname.slice(1))
  if (!Number.isInteger(db) || db < 0) throw new Error('the path of a redis URL is the number of a database')
  return {
    host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: port === '' ? 6379 : Number(port),
    db,
    ...credentials,
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  }
}

import t from 'tap'
import { addressOf } from '../../store/redis/address.js'
import type { RedisAddress } from '../../store/redis/address.js'

const forms: Record<string, RedisAddress> = {
  '/run/redis.sock': { is: 'server', options: { path: '/run/redis.sock' } },
  'unix:///run/redis.sock': { is: 'server', options: { path: '/run/redis.sock' } },
  'unix://me:p%40ss@localhost/run/my%20redis.sock': {
    is: 'server',
    options: { path: '/run/my redis.sock', username: 'me', password: 'p@ss' },
  },
  'redis://redis': { is: 'server', options: { host: 'redis', port: 6379, db: 0 } },
  'redis://redis:7000/3': { is: 'server', options: { host: 'redis', port: 7000, db: 3 } },
  'redis://redis/': { is: 'server', options: { host: 'redis', port: 6379, db: 0 } },
  'redis://:pass@[::1]:7000': {
    is: 'server',
    options: { host: '::1', port: 7000, db: 0, password: 'pass' },
  },
  'redis://me:p%3Aa%2Fs%25s@redis': {
    is: 'server',
    options: { host: 'redis', port: 6379, db: 0, username: 'me', password: 'p:a/s%s' },
  },
  'rediss://redis': { is: 'server', options: { host: 'redis', port: 6379, db: 0, tls: {} } },
  'REDIS://redis': { is: 'server', options: { host: 'redis', port: 6379, db: 0 } },
  'redis+sentinel://a,b:1,[::1]:2/main': {
    is: 'sentinel',
    options: {
      name: 'main',
      db: 0,
      sentinels: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 1 },
        { host: '::1', port: 2 },
      ],
    },
  },
  'redis-sentinel://me:pass@a/my%20main/2?sentinelPassword=o%26k': {
    is: 'sentinel',
    options: {
      name: 'my main',
      db: 2,
      username: 'me',
      password: 'pass',
      sentinels: [{ host: 'a', port: 26379 }],
      sentinelPassword: 'o&k',
    },
  },
  'rediss+sentinel://a/main': {
    is: 'sentinel',
    options: {
      name: 'main',
      db: 0,
      sentinels: [{ host: 'a', port: 26379 }],
      tls: {},
      enableTLSForSentinelMode: true,
    },
  },
  'redis+cluster://:pass@a:1,b,a:2': {
    is: 'cluster',
    nodes: [
      { host: 'a', port: 1 },
      { host: 'b', port: 6379 },
      { host: 'a', port: 2 },
    ],
    options: { password: 'pass' },
  },
  'redis+cluster://pass:a,b@c,d': {
    is: 'cluster',
    nodes: [
      { host: 'c', port: 6379 },
      { host: 'd', port: 6379 },
    ],
    options: { username: 'pass', password: 'a,b' },
  },
  'rediss+cluster://a/': { is: 'cluster', nodes: [{ host: 'a', port: 6379 }], options: { tls: {} } },
}

for (const [url, address] of Object.entries(forms))
  t.test(`REDIS_URL ${url}`, async (t) => t.strictSame(addressOf(url), address))

const wrong: Record<string, RegExp> = {
  'http://redis': /scheme http:\/\/ is not spoken here/,
  'redis+ring://redis': /scheme redis\+ring:\/\/ is not spoken here/,
  redis: /Invalid URL/,
  '': /Invalid URL/,
  'redis://a,b': /several hosts need redis\+sentinel:\/\/ or redis\+cluster:\/\//,
  'redis://redis/main': /number of a database/,
  'redis://redis/-1': /number of a database/,
  'redis://redis/1.5': /number of a database/,
  'redis://redis:port': /Invalid URL/,
  'redis://redis:65536': /Invalid URL/,
  'redis+sentinel://a,b': /name of the master/,
  'redis+sentinel://a/main/x': /number of a database/,
  'redis+sentinel://a,/main': /a host is missing/,
  'redis+cluster://a,,b': /a host is missing/,
  'redis+cluster://a/1': /a cluster has no databases/,
}

for (const [url, says] of Object.entries(wrong))
  t.test(`REDIS_URL ${url} cannot be read`, async (t) => t.throws(() => addressOf(url), says))

import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkConfig } from '../../broker/check-config.js'
import { SETTINGS } from '../../broker/config.js'
import { temporaryDirectory } from '../support/broker.js'
import { createAuthority, createCertificate } from '../support/certificates.js'
import { runCli } from '../support/cli.js'

const SECRET = 'hunter2-s3cr3t'
const directory = temporaryDirectory(t)
const write = (name: string, content: string) => {
  writeFileSync(join(directory, name), content, { mode: 0o600 })
  return join(directory, name)
}
const DATA_DIR = join(directory, 'data')
const [pair, other, weak] = await Promise.all([
  createCertificate(),
  createCertificate(),
  createCertificate({ authority: await createAuthority(), algorithm: 'sha1' }),
])
const cert = write('cert.pem', pair!.cert)
const key = write('key.pem', pair!.key)

interface Report {
  ok: boolean
  problems: string[]
  warnings: string[]
  settings: { name: string; value: string; from: string }[]
}

const WRONG: Record<string, [settings: NodeJS.ProcessEnv, says: RegExp]> = {
  'a port that is no number': [
    { MQTT_PORT: 'mqtt' },
    /^MQTT_PORT: is a port number, 0 for any free one, or off$/,
  ],
  'the same port twice': [
    { HTTP_PORT: '1883' },
    /^HTTP_PORT: 1883 is also MQTT_PORT; give each a port of its own/,
  ],
  'a certificate that is not there': [
    { TLS_CERT_FILE: join(directory, 'none.pem'), TLS_KEY_FILE: key },
    /^TLS_CERT_FILE: does not exist \(ENOENT\)$/,
  ],
  'a key of another certificate': [
    { TLS_CERT_FILE: cert, TLS_KEY_FILE: write('other.pem', other!.key) },
    /^TLS_KEY_FILE: is not the key of TLS_CERT_FILE$/,
  ],
  'a certificate that nobody would take': [
    { TLS_CERT_FILE: write('weak.pem', weak!.cert), TLS_KEY_FILE: write('weak-key.pem', weak!.key) },
    /^TLS_CERT_FILE: is too weak for today's clients \(ca md too weak\); make a new one$/,
  ],
  'a certificate without its key': [
    { TLS_CERT_FILE: cert },
    /^TLS_CERT_FILE and TLS_KEY_FILE: set both or neither$/,
  ],
  'an apps file that is no JSON': [
    { APPS_FILE: write('broken.json', `{"apps":[{"secrets":["${SECRET}"`) },
    /^APPS_FILE: not JSON$/,
  ],
  'a Redis URL that is none': [
    { REDIS_URL: `http://u:${SECRET}@h` },
    /^REDIS_URL: is redis:\/\/, rediss:\/\/, .*socket$/,
  ],
  'a setting and its file': [
    { REDIS_URL: `redis://:${SECRET}@h`, REDIS_URL_FILE: write('url', `redis://:${SECRET}@h`) },
    /^REDIS_URL_FILE: is set as well as REDIS_URL: keep one of them$/,
  ],
  'a file of a setting that is not there': [
    { REDIS_URL_FILE: join(directory, 'no-url') },
    /^REDIS_URL_FILE: cannot be read \(ENOENT\)$/,
  ],
  'a data directory below a file': [
    { DATA_DIR: join(cert, 'data') },
    /^DATA_DIR: is not a directory \(ENOTDIR\)$/,
  ],
  'a number out of range': [{ TELEMETRY_RATE: '0' }, /^TELEMETRY_RATE: is from 1 to 1000000$/],
}

for (const [what, [settings, says]] of Object.entries(WRONG)) {
  t.test(`one message tells what to change: ${what}`, async (t) => {
    const { problems } = checkConfig({ DATA_DIR, ...settings })
    t.match(problems, [says])
    t.equal(problems.length, 1)
    t.notMatch(problems.join(), SECRET)
  })
}

t.test('one message tells what to change: an apps file that may not be read', async (t) => {
  const APPS_FILE = write('locked.json', '{"apps":[]}')
  chmodSync(APPS_FILE, 0o000)
  // Root may read everything unless that capability is taken away.
  const before = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
  const { code, errors, json } = await runCli(
    t,
    ['check-config', '--json'],
    { DATA_DIR, APPS_FILE },
    { before },
  )
  t.equal(code, 1)
  t.equal(errors, '')
  t.strictSame(json<Report>().problems, ['APPS_FILE: may not be read or written by this user (EACCES)'])
  t.equal(json<Report>().ok, false)
})

t.test('every error is told at once, those of settings and those of files', async (t) => {
  const { code, output } = await runCli(t, ['check-config'], {
    DATA_DIR,
    MQTT_PORT: '70000',
    LOG_LEVEL: 'loud',
    TLS_CERT_FILE: '/none/cert.pem',
    TLS_KEY_FILE: '/none/key.pem',
    APPS_FILE: join(directory, 'broken.json'),
  })
  t.equal(code, 1)
  const named = output.split('\n').flatMap((line) => /^error: (\w+):/.exec(line)?.[1] ?? [])
  t.strictSame(named, ['MQTT_PORT', 'LOG_LEVEL', 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'APPS_FILE'])
  t.match(output, /^5 errors: the broker would not start$/m)
})

t.test('what would run is printed with every secret masked, and nothing is made', async (t) => {
  const env = {
    DATA_DIR,
    HTTP_PORT: 'off',
    TLS_CERT_FILE: cert,
    TLS_KEY_FILE: key,
    REDIS_URL_FILE: write(
      'redis-url',
      `redis+sentinel://user:${SECRET}@one,two/main?sentinelPassword=${SECRET}\n`,
    ),
  }
  const text = await runCli(t, ['check-config'], env)
  t.equal(text.code, 0)
  t.match(text.output, /^HTTP and ws: off$/m)
  t.match(text.output, /^certificate: DNS:localhost, IP Address:127\.0\.0\.1, until /m)
  t.match(text.output, /^store: Redis, redis\+sentinel:\/\/\*\*\*@one,two\/main\?sentinelPassword=\*\*\*$/m)
  const { output, json } = await runCli(t, ['check-config', '--json'], env)
  t.strictSame(
    json<Report>().settings.find(({ name }) => name === 'REDIS_URL'),
    { name: 'REDIS_URL', value: 'redis+sentinel://***@one,two/main?sentinelPassword=***', from: 'file' },
  )
  t.notMatch(text.output + output, SECRET)
  t.notOk(existsSync(DATA_DIR))
})

t.test('a name that is nearly a setting is warned about, and those of others are not', async (t) => {
  const { code, json } = await runCli(t, ['check-config', '--json'], {
    DATA_DIR,
    MQTT_PROT: '1883',
    TELEMETRY_RATES: '5',
    REDIS_URL_FIEL: '/run/secrets/redis',
    REDIS_PASSWORD: SECRET,
    // What a machine, a proxy and Kubernetes set.
    HOME: '/root',
    HOSTNAME: 'node-1',
    HTTP_PROXY: 'x',
    SSL_CERT_FILE: '/etc/ssl/cert.pem',
    REDIS_PORT: 'tcp://10.0.0.1:6379',
  })
  t.equal(code, 0, 'they are no errors')
  const about = json<Report>().warnings.filter((line) => line.includes('is no setting'))
  t.match(about, [
    /^MQTT_PROT: .*; MQTT_PORT is one$/,
    /TELEMETRY_RATE is/,
    /REDIS_URL_FILE is/,
    /REDIS_URL is/,
  ])
  t.equal(about.length, 4)
})

t.test('every setting may come from a file', async (t) => {
  const withoutDefault: Record<string, string> = {
    REDIS_URL: 'redis://h',
    GATEWAY_ADDRESS: 'mqtts://a.example',
    PROXY_NETWORKS: '10.0.0.0/8',
    WEBHOOK_NETWORKS: '10.0.0.0/8',
    CONSOLE_TILE_URL: 'https://tiles.example/{z}/{x}/{y}.png',
  }
  const fromFile = Object.entries(SETTINGS).filter(([name]) => !name.endsWith('_FILE'))
  const env = Object.fromEntries(
    fromFile.map(([name, setting], i) => {
      const value =
        withoutDefault[name] ??
        ('fallback' in setting && setting.fallback ? setting.fallback : 'https://a.example')
      return [`${name}_FILE`, write(`setting-${i}`, value)]
    }),
  )
  const { code, output, json } = await runCli(t, ['check-config', '--json'], {
    ...env,
    DATA_DIR_FILE: write('dir', DATA_DIR),
  })
  t.equal(code, 0, output)
  const taken = json<Report>().settings.filter(({ from }) => from === 'file')
  t.strictSame(
    taken.map(({ name }) => name),
    fromFile.map(([name]) => name),
  )
})

t.test('a certificate that has expired and secrets that all may read are warned about', async (t) => {
  const old = await createCertificate({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') })
  mkdirSync(DATA_DIR)
  writeFileSync(join(DATA_DIR, 'apps.json'), '{"apps":[{"appId":"a","secrets":["s"]}]}', { mode: 0o644 })
  const { code, json } = await runCli(t, ['check-config', '--json'], {
    DATA_DIR,
    TLS_CERT_FILE: write('old.pem', old.cert),
    TLS_KEY_FILE: write('old-key.pem', old.key),
  })
  t.equal(code, 0)
  t.match(json<Report>().warnings, [/^TLS_CERT_FILE: expired on Jan/, /^APPS_FILE: .*chmod 600$/])
})

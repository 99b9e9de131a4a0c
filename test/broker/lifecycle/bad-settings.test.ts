import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { generate } from 'selfsigned'
import { temporaryDirectory, testProgram } from '../../support/broker.js'
import { runProgram } from '../../support/programs.js'
import { startRedis } from '../../support/redis.js'

const ANY_PORTS = {
  HOST: '127.0.0.1',
  MQTT_PORT: '0',
  MQTTS_PORT: '0',
  HTTP_PORT: '0',
  HTTPS_PORT: '0',
  ADMIN_PORT: '0',
}
const SECRET = 'hunter2-s3cr3t'

const files = temporaryDirectory(t)
const write = (name: string, content: string) => {
  writeFileSync(join(files, name), content)
  return join(files, name)
}
const [pair, otherPair] = await Promise.all(
  [1, 2].map(() => generate([{ name: 'commonName', value: 'test' }], { keyType: 'ec', curve: 'P-256' })),
)
const cert = write('cert.pem', pair!.cert)
const key = write('key.pem', pair!.private)
const otherKey = write('other-key.pem', otherPair!.private)
const file = write('file', SECRET)
const noDirectory = join(files, 'none')
const taken = createServer().listen(0, '127.0.0.1')
await new Promise((resolve) => taken.once('listening', resolve))
t.teardown(() => taken.close())
const takenPort = String((taken.address() as AddressInfo).port)
const redis = await startRedis(t)
await redis.client.config('SET', 'requirepass', 'right')

/** Settings, and what the one line says. */
const cases: Record<string, [settings: NodeJS.ProcessEnv, says: RegExp]> = {
  'several at once, each named': [
    { MQTT_PORT: SECRET, HTTPS_PORT: '65536', LOG_LEVEL: SECRET, PACKET_BYTES_MAX: '1' },
    /^MQTT_PORT: .*; HTTPS_PORT: .*; LOG_LEVEL: is one of .*; PACKET_BYTES_MAX: is from /,
  ],
  'a certificate without its key': [{ TLS_CERT_FILE: cert }, /^TLS_CERT_FILE and TLS_KEY_FILE: /],
  'a certificate that is not there': [
    { TLS_CERT_FILE: join(files, 'none.pem'), TLS_KEY_FILE: key },
    /^TLS_CERT_FILE: .*ENOENT/,
  ],
  'a certificate that is no PEM': [{ TLS_CERT_FILE: file, TLS_KEY_FILE: key }, /^TLS_CERT_FILE/],
  'a key of another certificate': [
    { TLS_CERT_FILE: cert, TLS_KEY_FILE: otherKey },
    /^TLS_KEY_FILE: is not the key of TLS_CERT_FILE$/,
  ],
  'an apps file that is no JSON': [
    { APPS_FILE: write('apps-1.json', `{"apps":[{"appId":"x","secrets":["${SECRET}"`) },
    /^APPS_FILE: not JSON/,
  ],
  'an apps file of another shape': [
    { APPS_FILE: write('apps-2.json', `{"apps":[{"appId":"x","secrets":"${SECRET}"}]}`) },
    /^APPS_FILE: apps\.0\.secrets: /,
  ],
  'an apps file that is a directory': [{ APPS_FILE: files }, /^APPS_FILE: .*EISDIR/],
  'an MQTT port that is taken': [{ MQTT_PORT: takenPort }, /^MQTT_PORT: port \d+ on 127\.0\.0\.1 is taken/],
  'an admin port that is taken': [
    { ADMIN_PORT: takenPort },
    /^ADMIN_PORT: port \d+ on 127\.0\.0\.1 is taken/,
  ],
  'an address that is not of this machine': [{ HOST: '192.0.2.1' }, /^HOST: .*EADDRNOTAVAIL/],
  'a Redis URL that cannot be read': [
    { REDIS_URL: `http://user:${SECRET}@localhost` },
    /^REDIS_URL: is redis:/,
  ],
  'a Redis that refuses the password': [
    { REDIS_URL: `unix://:${SECRET}@localhost${redis.url}` },
    /^REDIS_URL: .*WRONGPASS/,
  ],
  'a Redis that wants a password': [{ REDIS_URL: redis.url }, /^REDIS_URL: .*NOAUTH/],
  'a file of a secret that is not there': [
    { REDIS_URL_FILE: join(files, 'no-such-file') },
    /^REDIS_URL_FILE: .*ENOENT/,
  ],
  'a DATA_DIR that is a file': [{ DATA_DIR: file }, /^DATA_DIR: .*(EEXIST|ENOTDIR)/],
  'a DATA_DIR below a file': [{ DATA_DIR: join(file, 'x') }, /^DATA_DIR: .*ENOTDIR/],
  'a DATA_DIR whose store is a file': [{ DATA_DIR: directoryWith('store') }, /^DATA_DIR: /],
  'a DATA_DIR whose tls is a file': [{ DATA_DIR: directoryWith('tls') }, /^DATA_DIR: /],
}

for (const [name, [settings, says]] of Object.entries(cases)) {
  t.test(`one line names what is wrong, and the exit code is 1: ${name}`, async (t) => {
    const line = await runToItsEnd(t, [process.execPath], settings)
    t.match(line, says)
    t.notMatch(line, SECRET, 'never the value')
  })
}

t.test(
  'one line names what is wrong, and the exit code is 1: a DATA_DIR that cannot be written',
  async (t) => {
    const directory = join(temporaryDirectory(t), 'data')
    mkdirSync(directory, { mode: 0o500 })
    // Root may write everywhere unless that capability is taken away.
    const drop = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
    t.match(await runToItsEnd(t, [...drop, process.execPath], { DATA_DIR: directory }), /^DATA_DIR: .*EACCES/)
    chmodSync(directory, 0o700)
  },
)

/** A data directory that is all right but for a file where a directory should be. */
function directoryWith(name: string): string {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, name), '')
  return directory
}

/** The last line of a broker that gives up. */
async function runToItsEnd(t: Test, command: string[], settings: NodeJS.ProcessEnv): Promise<string> {
  const env = { PATH: process.env.PATH, ...ANY_PORTS, DATA_DIR: noDirectory, ...settings }
  const [program, ...args] = [...command, '--v8-pool-size=0', testProgram] as unknown as [string, ...string[]]
  const { code, output, errors } = await runProgram(t, program, args, { env }).ended
  t.equal(code, 1)
  t.equal(errors, '', 'nothing on standard error')
  const lines = output.trim().split('\n')
  const fatal = lines
    .map((text) => JSON.parse(text) as { level: string; msg: string })
    .filter(({ level }) => level === 'fatal')
  t.equal(fatal.length, 1, output)
  t.notMatch(output, SECRET)
  return fatal[0]?.msg ?? ''
}

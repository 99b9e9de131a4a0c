import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, startBroker, temporaryDirectory } from '../../support/broker.js'
import { runProgram } from '../../support/programs.js'
import { logIn } from '../../support/raw-client.js'

const ANY_PORTS = {
  HOST: '127.0.0.1',
  MQTT_PORT: '0',
  MQTTS_PORT: '0',
  HTTP_PORT: '0',
  HTTPS_PORT: '0',
  ADMIN_PORT: '0',
}
const PATH = process.env.PATH

t.test(
  'started in an empty directory it makes ./data with a demo app, a certificate and a store',
  async (t) => {
    const cwd = temporaryDirectory(t)
    const program = runProgram(t, process.execPath, [join(root, 'dist/broker/main.js')], {
      cwd,
      env: { PATH, ...ANY_PORTS },
    })
    const output = await program.until((text) => text.includes('"ready"'))
    const lines = output.trim().split('\n')
    const log = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    const ready = log.find(({ msg }) => msg === 'ready') ?? {}
    t.match(ready, {
      mqtt: Number,
      mqtts: Number,
      http: Number,
      https: Number,
      admin: Number,
      store: 'embedded',
    })
    const ports = ['mqtt', 'mqtts', 'http', 'https', 'admin'].map((name) => ready[name])
    t.equal(new Set(ports).size, 5)
    t.notOk(ports.includes(0), 'the real ports, not the ones asked for')

    t.strictSame(readdirSync(cwd), ['data'])
    t.strictSame(readdirSync(join(cwd, 'data')).toSorted(), ['apps.json', 'lock', 'store', 'tls'])
    t.equal(modeOf(join(cwd, 'data')), '700')
    t.equal(modeOf(join(cwd, 'data/apps.json')), '600')
    t.equal(modeOf(join(cwd, 'data/tls/key.pem')), '600')
    const { apps } = JSON.parse(readFileSync(join(cwd, 'data/apps.json'), 'utf8')) as {
      apps: { appId: string; secrets: string[]; disabled: boolean }[]
    }
    t.match(apps, [{ appId: 'demo-app', disabled: false }])
    t.equal(apps.length, 1)
    t.match(apps[0]?.secrets, [/^[\w-]{43}$/], 'one secret of 256 random bits')
    t.notMatch(output, apps[0]?.secrets[0] as string, 'which no log line tells')
    const certificate = new X509Certificate(readFileSync(join(cwd, 'data/tls/cert.pem')))
    t.equal(certificate.checkHost('localhost'), 'localhost')
    t.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1')
    t.ok(log.some(({ level, msg }) => level === 'warn' && String(msg).includes('self-signed')))
  },
)

t.test(
  'a second start keeps secret, certificate and incidents; two first starts share no secret',
  async (t) => {
    const dataDir = temporaryDirectory(t)
    const read = (directory: string) =>
      ['apps.json', 'tls/cert.pem', 'tls/key.pem'].map((file) => readFileSync(join(directory, file), 'utf8'))
    const first = await startBroker(t, { dataDir })
    const made = read(dataDir)
    t.equal(await first.stop(), 0)
    const second = await startBroker(t, { dataDir })
    t.strictSame(read(dataDir), made)
    const other = await startBroker(t, { dataDir: temporaryDirectory(t) })
    for (const [i, file] of read(other.dataDir).entries()) t.not(file, made[i])
    await t.rejects(
      logIn(t, second.ports.mqtt, other.credentials('alice')),
      { message: 'CONNACK 5' },
      'the hash of another installation opens nothing here',
    )
  },
)

t.test('off: a port that is switched off is not opened and not named', async (t) => {
  const broker = await startBroker(t, { env: { MQTTS_PORT: 'off', HTTPS_PORT: 'off', HTTP_PORT: 'off' } })
  const ready = await broker.logged(({ msg }) => msg === 'ready')
  t.strictSame(
    Object.keys(ready).filter((name) => ['mqtt', 'mqtts', 'http', 'https', 'admin'].includes(name)),
    ['mqtt', 'admin'],
  )
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('alice'))
  client.sendPacket({ cmd: 'pingreq' })
  t.equal((await client.next()).cmd, 'pingresp')
})

t.test('a bad setting is told also with LOG_LEVEL=silent', async (t) => {
  const dataDir = temporaryDirectory(t)
  const env = { PATH, ...ANY_PORTS, DATA_DIR: dataDir, LOG_LEVEL: 'silent', MQTT_PORT: '70000' }
  const failing = runProgram(t, process.execPath, [join(root, 'dist/broker/main.js')], { env })
  t.match(await failing.ended, { code: 1, output: /MQTT_PORT/ })
})

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { root, startBroker, temporaryDirectory } from '../support/broker.js'
import { createAuthority, createCertificate, writePair } from '../support/certificates.js'
import type { Pair } from '../support/certificates.js'
import { runCli, settingsOf } from '../support/cli.js'
import { backendHeaders, createPhone, send } from '../support/http.js'

interface Finding {
  check: string
  is: 'ok' | 'warning' | 'fault'
  says: string
}

const directory = temporaryDirectory(t)
const authority = await createAuthority()
const ca = join(directory, 'ca.pem')
writeFileSync(ca, authority.cert)
const good = await createCertificate({ authority })
const files = writePair(directory, good)
const broker = await startBroker(t, { env: files })
const settings = { ...settingsOf(broker), ...files }
const TLS_KINDS = ['https', 'tls', 'wss']

t.test('on a healthy broker every listener works, and the drill is taken back', async (t) => {
  const { code, findings } = await doctor(t, {}, ['--ca', ca, '--name', 'localhost'])
  t.equal(code, 0)
  t.strictSame(
    findings.map(({ check, is }) => [check, is]),
    ['data', 'admin', 'http', 'https', 'tcp', 'tls', 'ws', 'wss', 'drill'].map((check) => [check, 'ok']),
  )
  const { incidents } = (await backend('/incidents?state=all')) as { incidents: object[] }
  t.match(incidents, [{ state: 'cancelled', triggerSource: 'connect_broker_doctor', message: /^DRILL/ }])
  t.notOk('latitude' in (incidents[0] as object), 'it names no place to go to')
  const { events: log } = (await backend('/events')) as { events: { type: string; externalUserId: string }[] }
  t.strictSame(
    log.map(({ type }) => type),
    ['processed', 'processed', 'processed', 'processed', 'cancelled'],
  )
  t.ok(log.every(({ externalUserId }) => externalUserId === 'connect-broker-doctor'))
  t.match(log[0], { report: { fields: { drill: true } } }, 'whoever reads the log can tell it')
})

t.test('an open SOS of its user that is no drill is left alone', async (t) => {
  const phone = createPhone(broker, broker.credentials('connect-broker-doctor'))
  await phone.post('/v1/sdk/sos', { timestamp: '2026-05-01T10:00:00.000Z', message: 'help' })
  const { code, findings } = await doctor(t, {}, ['--ca', ca])
  t.equal(code, 1)
  t.match(fault(findings, 'drill'), /has an open SOS that is no drill/)
  t.match((await phone.get('/v1/sdk/sos')).json, { incident: { state: 'active', message: 'help' } })
  await phone.post('/v1/sdk/sos/cancel')
})

t.test('fault: a certificate whose issuer nobody knows', async (t) => {
  const { code, findings } = await doctor(t, {}, ['--no-sos'])
  t.equal(code, 1)
  for (const kind of TLS_KINDS) t.match(fault(findings, kind), /not trusted .*whole chain/, kind)
  t.strictSame(faulty(findings), TLS_KINDS)
})

t.test('fault: a certificate for another name', async (t) => {
  const { code, findings } = await doctor(t, {}, ['--no-sos', '--ca', ca, '--name', 'broker.example'])
  t.equal(code, 1)
  for (const kind of TLS_KINDS)
    t.match(
      fault(findings, kind),
      /is for DNS:localhost, IP Address:127\.0\.0\.1 and not for broker\.example/,
    )
})

t.test('fault: a file that is not the certificate that is shown', async (t) => {
  const other = writePair(temporaryDirectory(t), await createCertificate({ authority }))
  const { code, findings } = await doctor(t, other, ['--no-sos', '--ca', ca])
  t.equal(code, 1)
  for (const kind of TLS_KINDS)
    t.match(fault(findings, kind), /another certificate than the one in TLS_CERT_FILE/)
})

t.test('fault: a certificate that has expired', async (t) => {
  // The listener takes no expired one while it has a better, so a broker is started with it.
  const old = await createCertificate({
    authority,
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2021-01-01'),
  })
  const { ports, settings: expired } = await startWith(t, old)
  t.ok(ports.mqtts)
  const { code, findings } = await doctor(t, expired, ['--no-sos', '--ca', ca])
  t.equal(code, 1)
  t.match(fault(findings, 'tls'), /expired on Jan +1 .* renew it/)
})

t.test('fault: a port where nothing listens', async (t) => {
  const { code, findings } = await doctor(t, { MQTT_PORT: '1' }, ['--ca', ca])
  t.equal(code, 1)
  t.strictSame(faulty(findings), ['tcp'])
  t.match(fault(findings, 'tcp'), /^nothing listens on 127\.0\.0\.1:1: is the broker running/)
})

t.test('fault: an apps file that is broken', async (t) => {
  const APPS_FILE = join(directory, 'broken.json')
  writeFileSync(APPS_FILE, '{"apps":[')
  const { code, findings } = await doctor(t, { APPS_FILE })
  t.equal(code, 1)
  t.match(fault(findings, 'settings'), /^APPS_FILE: not JSON$/)
})

t.test('fault: another secret than the broker has', async (t) => {
  const APPS_FILE = join(directory, 'other.json')
  writeFileSync(APPS_FILE, '{"apps":[{"appId":"demo-app","secrets":["another-secret"]}]}', { mode: 0o600 })
  const { code, findings } = await doctor(t, { APPS_FILE }, ['--ca', ca])
  t.equal(code, 1)
  for (const kind of ['http', 'https', 'tcp', 'tls', 'ws', 'wss'])
    t.match(
      fault(findings, kind),
      /login is refused: the broker holds no app demo-app with this secret; is APPS_FILE/,
    )
  t.ok(
    findings.some(({ check, is }) => check === 'drill' && is === 'warning'),
    'and no SOS is sent',
  )
})

t.test('fault: a data directory that cannot be written', async (t) => {
  const DATA_DIR = join(temporaryDirectory(t), 'data')
  mkdirSync(DATA_DIR, { mode: 0o500 })
  // Root may write everywhere unless that capability is taken away.
  const before = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
  const { code, findings } = await doctor(t, { DATA_DIR, APPS_FILE: appsFile() }, [], { before })
  t.equal(code, 1)
  t.match(fault(findings, 'settings'), /^DATA_DIR: may not be read or written by this user \(EACCES\)$/)
  chmodSync(DATA_DIR, 0o700)
})

t.test('fault: a full disk', async (t) => {
  const DATA_DIR = join(temporaryDirectory(t), 'disk')
  mkdirSync(DATA_DIR)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32k', 'tmpfs', DATA_DIR], { stdio: 'pipe' })
  } catch (error) {
    return t.pass('a small file system', { skip: String((error as { stderr?: Buffer }).stderr) })
  }
  t.teardown(() => execFileSync('umount', [DATA_DIR]))
  const { code, findings } = await doctor(t, { DATA_DIR, APPS_FILE: appsFile() }, ['--no-sos', '--ca', ca])
  t.equal(code, 1)
  t.match(fault(findings, 'data'), /the disk of DATA_DIR is full \(ENOSPC\)/)
})

t.test('fault: clocks that differ', async (t) => {
  const file = join(directory, 'offset')
  writeFileSync(file, '300000')
  const nodeOptions = ['--import', join(root, 'dist/test/support/shifted-clock.js')]
  const { code, findings } = await doctor(t, { CLOCK_OFFSET_FILE: file }, ['--no-sos', '--ca', ca], {
    nodeOptions,
  })
  t.equal(code, 1)
  t.match(fault(findings, 'clock'), /^the broker's clock is (29\d|30\d) s behind this machine's: .*NTP/)
})

t.test('fault: a proxy in front that does not pass an upgrade on', async (t) => {
  const proxy = createServer((incoming, outgoing) => {
    const { upgrade: _upgrade, connection: _connection, ...headers } = incoming.headers
    const onward = request({
      port: broker.ports.http,
      host: '127.0.0.1',
      method: incoming.method,
      path: incoming.url,
      headers,
    })
    onward.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(outgoing)
    })
    incoming.pipe(onward)
  })
  // Without a listener for it, Node takes an upgrade for a request like any other.
  proxy.listen(0, '127.0.0.1')
  await new Promise((resolve) => proxy.once('listening', resolve))
  t.teardown(() => proxy.close())
  const { port } = proxy.address() as AddressInfo
  const { code, findings } = await doctor(t, {}, [
    '--url',
    `ws://127.0.0.1:${port}/mqtt`,
    '--url',
    `http://127.0.0.1:${port}`,
  ])
  t.equal(code, 1)
  t.strictSame(faulty(findings), ['ws'])
  t.match(
    fault(findings, 'ws'),
    /upgrade of \/mqtt is answered with 404: a proxy in between does not pass the headers Upgrade/,
  )
})

t.test('an address that is none is a wrong command line', async (t) => {
  t.match(await runCli(t, ['doctor', '--url', 'gopher://host'], settings), { code: 2, errors: /--url/ })
})

/** Runs the doctor with the settings of the broker above, some of them changed. */
async function doctor(t: Test, changed: NodeJS.ProcessEnv = {}, args: string[] = [], options = {}) {
  const { code, json } = await runCli(t, ['doctor', '--json', ...args], { ...settings, ...changed }, options)
  return { code, findings: json<{ findings: Finding[] }>().findings }
}

async function backend(path: string): Promise<unknown> {
  return (await send(broker, 'http', 'GET', `/v1/backend${path}`, { headers: backendHeaders(broker) })).json
}

function faulty(findings: Finding[]): string[] {
  return findings.filter(({ is }) => is === 'fault').map(({ check }) => check)
}

function fault(findings: Finding[], check: string): string {
  return findings.find((one) => one.check === check && one.is === 'fault')?.says ?? `no fault of ${check}`
}

async function startWith(t: Test, pair: Pair) {
  const env = writePair(temporaryDirectory(t), pair)
  const started = await startBroker(t, { env: { ...env, HTTPS_PORT: 'off', MQTT_PORT: 'off' } })
  return {
    ports: started.ports,
    settings: { ...settingsOf(started), ...env, HTTPS_PORT: 'off', MQTT_PORT: 'off' },
  }
}

function appsFile(): string {
  return join(broker.dataDir, 'apps.json')
}

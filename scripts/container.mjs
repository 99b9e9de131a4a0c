// `npm run container`: builds the image, starts it as it is meant to run (not root, read-only root, one volume) and tries
// what it promises. A line for each step; exit code 0 when all hold, else 1. With docker, podman or buildah:
//   CONTAINER_TOOL        which one, with its own arguments if it needs some: "podman --runtime runc"
//   CONTAINER_BUILD       a command that builds instead, called with the directory and the tag
//   CONTAINER_BUILD_ARGS  more arguments for the engine's build
//   CONTAINER_RUN_ARGS    more arguments for its run: "--network host"
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { findEngine } from './container-engine.mjs'
import { acknowledgedUntilTheEnd, ask, openPhone, readEvents, report, sign } from './container-phones.mjs'

process.chdir(new URL('..', import.meta.url).pathname)
const TAG = process.env.CONTAINER_TAG ?? 'localhost/connect-broker:check'
const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 10_000
const PHONES = 40
const MIB = 1_048_576

const engine = findEngine(process.env)
if (!engine) {
  process.stderr.write(
    'container: docker, podman or buildah is needed, and none of them answers `info`. On Debian or Ubuntu: ' +
      'sudo apt-get install -y podman (or see docs.docker.com/engine/install).\n',
  )
  process.exit(1)
}

let volume
let container
let number = 0
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    cleanUp()
    process.exit(1)
  })
try {
  await check()
} catch (error) {
  process.stdout.write(`not ok ${number} ${error.message}\n`)
  if (container) process.stdout.write(`${container.log().split('\n').slice(-30).join('\n')}\n`)
  process.exitCode = 1
} finally {
  cleanUp()
}

function cleanUp() {
  container?.remove()
  volume?.remove()
  container = volume = undefined
}

async function check() {
  await step(`build with ${process.env.CONTAINER_BUILD ? 'CONTAINER_BUILD' : engine.name}`, async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
    const revision = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).stdout?.trim() || 'unknown'
    await engine.build(process.cwd(), TAG, { VERSION: version, REVISION: revision })
    return TAG
  })
  await step('size', () => {
    const size = engine.sizeOf(TAG)
    return typeof size === 'number' ? `${(size / MIB).toFixed(0)} MiB` : size
  })
  const ports = { HTTPS_PORT: await freePort(), ADMIN_PORT: await freePort() }
  volume = engine.createVolume(`connect-broker-check-${randomBytes(4).toString('hex')}`)
  await step('start, healthy', () => start(ports))
  await step('not root', () => {
    const uid = inside('id', '-u')
    assert.notEqual(uid, '0')
    return `uid ${uid}, Node ${inside('node', '--version')}`
  })
  if (engine.isIsolated) {
    await step('read-only root', () => {
      const { status, stderr } = container.exec('touch', '/app/written')
      assert.notEqual(status, 0, 'a file in /app could be written')
      assert.match(stderr, /read-only/i)
      return stderr
    })
    await step('node is the first process', () => {
      const first = inside('cat', '/proc/1/cmdline').replaceAll('\0', ' ').trim()
      assert.equal(first, 'node dist/broker/main.js')
      return first
    })
  } else process.stdout.write('   not shown by buildah: read-only root, node as the first process\n')

  const ca = inside('cat', `${engine.dataDir}/tls/cert.pem`)
  const { appId, secrets } = JSON.parse(inside('cat', `${engine.dataDir}/apps.json`)).apps[0]
  const target = { port: ports.HTTPS_PORT, ca, appId, secret: secrets[0] }
  const alice = JSON.parse(inside('node', 'dist/broker/sign.js', '--app', appId, '--user', 'alice'))
  assert.equal(alice.userHash, sign(secrets[0], 'alice'))
  let incidentId
  await step('an SOS over wss: PUBACK, and GET /v1/sdk/sos has it', async () => {
    const phone = await openPhone(target, 'alice')
    await phone.publish(report())
    await phone.end()
    incidentId = (await ask(target, '/v1/sdk/sos', 'alice')).incident?.id
    assert.ok(incidentId, 'there is no incident')
    return incidentId
  })
  await step('stop, and start another container with the volume: the incident is there', async () => {
    await stop()
    await start(ports)
    assert.equal((await ask(target, '/v1/sdk/sos', 'alice')).incident?.id, incidentId)
    return incidentId
  })
  await step(`SIGTERM while ${PHONES} phones publish: nothing that was acknowledged is lost`, async () => {
    let stopped
    const published = await acknowledgedUntilTheEnd(target, PHONES, () => (stopped = stop()))
    const ms = await stopped
    await start(ports)
    const stored = new Set((await readEvents(target)).map(({ report }) => report?.timestamp))
    const lost = published.acknowledged.filter((timestamp) => !stored.has(timestamp))
    assert.deepEqual(lost, [])
    assert.ok(published.afterSignal > 0, 'nothing was acknowledged between the signal and the end')
    return (
      `stopped in ${ms} ms; ${published.acknowledged.length} acknowledged, ${published.afterSignal} of them after ` +
      `the signal, ${published.unanswered} not answered, 0 lost`
    )
  })
  await step('stop', async () => `${await stop()} ms, exit code 0`)
}

async function step(name, run) {
  number++
  const began = performance.now()
  try {
    const detail = await run()
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    process.stdout.write(`ok ${number} ${name}: ${detail} (${seconds} s)\n`)
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error })
  }
}

/** A new container on the volume. Resolves when it is healthy, with what told so. */
async function start(ports) {
  const env = { ...ports, MQTT_PORT: '0', MQTTS_PORT: '0', HTTP_PORT: '0' }
  container = engine.start({ tag: TAG, volume, ports: Object.values(ports), env })
  let hasEnded = false
  void container.exited.then(() => (hasEnded = true))
  for (const began = Date.now(); Date.now() - began < START_LIMIT_MS; await wait(200)) {
    assert.ok(!hasEnded, 'the container ended')
    const { is, by } = container.isHealthy()
    if (is) return `says ${by}`
  }
  throw new Error('it did not become healthy')
}

/** SIGTERM. Resolves with the milliseconds until the container had ended with exit code 0. */
async function stop() {
  const began = performance.now()
  container.signal('SIGTERM')
  const code = await Promise.race([container.exited, wait(STOP_LIMIT_MS, 'none yet', { ref: false })])
  const ms = Math.round(performance.now() - began)
  assert.equal(code, 0, `exit code after ${ms} ms: ${code}`)
  container.remove()
  container = undefined
  return ms
}

/** Standard output of a command in the container. */
function inside(...command) {
  const { status, stdout, stderr } = container.exec(...command)
  assert.equal(status, 0, `${command.join(' ')}: ${stderr}`)
  return stdout
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

// Set-up before `npm start` and `npm test`: installs what the lock file names when that is missing or stale,
// then builds. Needs nothing but Node and npm. All output goes to standard error: standard output is the broker's.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'

process.chdir(new URL('..', import.meta.url).pathname)
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19))
  fail(`Node 20.19 or newer is needed, this is ${process.version}.`)

install()
build()
if (process.argv.includes('--test')) installTestTools()

function install() {
  const stamp = 'node_modules/.connect-broker-lock'
  const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  say('installing dependencies (once, about a minute) …')
  const { status } = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (status !== 0) fail('npm ci failed; its messages are above.')
  writeFileSync(stamp, wanted)
}

function build() {
  const { status } = run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'])
  if (status !== 0) fail('the build failed; its messages are above.')
  const page = run(process.execPath, ['scripts/build-console.mjs'])
  if (page.status !== 0) fail('the live page could not be built; the messages are above.')
}

/** The tests run against a real Redis and with clients that are not ours. */
function installTestTools() {
  const missing = [
    ['redis-server', 'redis-server'],
    ['mosquitto_pub', 'mosquitto-clients'],
    // What the broker is compared with.
    ...(process.argv.includes('--bench') ? [['mosquitto', 'mosquitto']] : []),
  ].filter(([program]) => !isOnPath(program))
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    fail(
      `the tests need ${packages.join(' and ')}. On Debian or Ubuntu: sudo apt-get install -y ${packages.join(' ')}`,
    )
  }
  say(`installing ${packages.join(' and ')} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Without its service: each test starts a private Redis of its own.
  run('apt-get', ['update', '-qq'], env)
  const { status } = run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], env)
  if (status !== 0) fail(`apt-get could not install ${packages.join(' and ')}; its messages are above.`)
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(':').some((directory) => {
    try {
      return directory !== '' && statSync(`${directory}/${program}`).isFile()
    } catch {
      return false
    }
  })
}

function run(command, args, env = process.env) {
  return spawnSync(command, args, { stdio: ['ignore', 2, 2], env })
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(1)
}

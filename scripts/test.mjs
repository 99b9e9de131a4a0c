// Runs the compiled tests: a line for each file, everything a failing file wrote, and at the end
// `N passed, N failed` over all assertions. `npm test -- gate/framing store` runs the files whose path holds a word.
// Each file is a node-tap program of its own; started here and not by tap's runner, which would load a TypeScript
// compiler into every one of them.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

process.chdir(new URL('..', import.meta.url).pathname)
const words = process.argv.slice(2).filter((word) => word !== '--with-browser')
const needsBrowser = process.argv.includes('--with-browser')
const HOW_TO_GET_CHROMIUM =
  'On Debian or Ubuntu: sudo apt-get install -y chromium; then npm run console:check'
// These first, so that the last one does not run alone.
const TAKES_LONG = [
  'console/browser/page',
  'gate/fuzz',
  'mesh/hostile-envelopes',
  'mesh/mesh-day',
  'store-away/store-away',
  'cli/doctor',
  'gate/closing',
  'gate/framing',
  'cli/broker-commands',
  'tenants/mqtt-matrix',
  'backend/event-stream',
  'journal/exactly-once',
  'redis-trouble/refusals',
  'redis-trouble/sentinel',
  'gate/slow-reader',
  'gate/limits',
  'gate/pacing',
  'gate/backpressure',
  'console/live',
  'hooks/delivery',
]
const wanted = testFiles('dist/test').filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word)),
)
const chromium = findChromium()
const waiting = wanted.filter((file) => chromium !== null || !file.includes('/browser/'))
const skipped = wanted.filter((file) => !waiting.includes(file))
if (needsBrowser && chromium === null) {
  process.stderr.write(`test: no Chromium on PATH or in CHROMIUM. ${HOW_TO_GET_CHROMIUM}\n`)
  process.exit(1)
}
const fileCount = waiting.length
// A file that hangs fails; none is meant to take more than a quarter of this.
const OUTPUT_LIMIT_MS = 5_000
const FILE_LIMIT_S = 240
const started = performance.now()
let passed = 0
let failed = 0

// Each of some 200 brokers would make a certificate, and every process find and compile all of its files, on its own.
const { ensureSelfSigned } = await import('../dist/broker/certificate.js')
const { packLibraries, packPrograms } = await import('./pack.mjs')
const runDir = mkdtempSync(join(tmpdir(), 'connect-broker-'))
await ensureSelfSigned(runDir)
await Promise.all([packPrograms(runDir), packLibraries(runDir)])
const testEnv = {
  ...process.env,
  TAP_TIMEOUT: String(FILE_LIMIT_S),
  TEST_CERTIFICATE_DIR: join(runDir, 'tls'),
  TEST_PROGRAMS: runDir,
  ...(chromium === null ? {} : { CHROMIUM: chromium }),
}

// The tests start brokers and Redis servers of their own, and some wait: three files at a time keep two cores busy.
await Promise.all([work(), work(), work()])
rmSync(runDir, { recursive: true, force: true })
const seconds = Math.round((performance.now() - started) / 1000)
for (const file of skipped)
  process.stdout.write(
    `SKIPPED ${file.slice('dist/'.length)}: there is no Chromium. ${HOW_TO_GET_CHROMIUM}\n`,
  )
process.stdout.write(`${fileCount} files in ${seconds} s\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

async function work() {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const { code, output, ms } = await run(file)
    // { total: 12, pass: 11, fail: 1 } is tap's last word about a file; without it the file crashed.
    const summary = /^# \{ (total: .*) \}$/m.exec(output)?.[1] ?? ''
    const count = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0)
    const failures = count('fail') || (code === 0 && count('pass') > 0 ? 0 : 1)
    passed += count('pass')
    failed += failures
    if (failures > 0) process.stdout.write(output)
    process.stdout.write(
      `${failures > 0 ? 'not ok' : 'ok'} ${file.slice('dist/'.length)} (${(ms / 1000).toFixed(1)} s)\n`,
    )
  }
}

async function run(file) {
  const began = performance.now()
  const child = spawn(process.execPath, ['--v8-pool-size=0', file], {
    env: testEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  // What a test left running may hold its output open; then its last words have had their time.
  const code = await new Promise((resolve) => {
    child.once('close', resolve)
    child.once('exit', (code) => setTimeout(() => resolve(code), OUTPUT_LIMIT_MS))
  })
  return { code, output, ms: performance.now() - began }
}

function testFiles(directory) {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(directory, name))
    .toSorted()
  const takesLong = (file) => TAKES_LONG.some((name) => file.endsWith(`${name}.test.js`))
  return [...files.filter(takesLong), ...files.filter((file) => !takesLong(file))]
}

/** Large, so not installed for whoever only wants to know whether the broker works. */
function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
  const directories = (process.env.PATH ?? '').split(':').filter((directory) => directory !== '')
  const paths = names.flatMap((name) => directories.map((directory) => join(directory, name)))
  return paths.find((path) => existsSync(path)) ?? null
}

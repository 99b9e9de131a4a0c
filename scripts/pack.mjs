// Packs programs of dist/broker, and the libraries of the tests, into one file each with its compiled code beside it:
// the tests start some 700 processes, and most of what a start costs is finding, reading and compiling 500 files.
// Nothing else uses this.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { spawnBroker } from '../dist/test/support/broker.js'

const broker = fileURLToPath(new URL('../dist/broker', import.meta.url))
const tests = fileURLToPath(new URL('../dist/test', import.meta.url))
/** What most of the test files load. The broker's own libraries stay with it. */
const LIBRARIES = ['tap', 'ioredis', 'mqtt', 'mqtt-packet', 'fast-check', 'uuid']
/** V8 takes compiled code only from a process with the same flags. */
const FLAGS = ['--v8-pool-size=0']

/** Leaves `broker.cjs`, `connect-broker.cjs` and `sign.cjs` in `directory`, to be started instead of those of dist/broker. */
export async function packPrograms(directory) {
  const [start, cli, sign] = await Promise.all([
    packProgram(directory, 'broker', 'main.js'),
    packProgram(directory, 'connect-broker', 'cli/connect-broker.js'),
    packProgram(directory, 'sign', 'sign.js'),
  ])
  // Each is run as the tests do, so that V8 has compiled what that takes; a further run adds to what is there.
  const dataDir = join(directory, 'data')
  await runBroker(start, dataDir, async ({ http, https, mqtt, mqtts, admin }) => {
    const ports = {
      HTTP_PORT: http,
      HTTPS_PORT: https,
      MQTT_PORT: mqtt,
      MQTTS_PORT: mqtts,
      ADMIN_PORT: admin,
    }
    const settings = { HOST: '127.0.0.1', DATA_DIR: dataDir, ...ports }
    await compile([...FLAGS, cli, 'doctor'], settings)
    await compile([...FLAGS, cli, 'incidents', 'list'], settings)
    await compile([...FLAGS, cli, 'apps', 'add', 'packed', '--json'], settings)
    await compile([...FLAGS, sign, '--app', 'demo-app', '--user', 'alice'], settings)
  })
}

/**
 * Leaves a package for each library in a directory that Node asks for the packages of dist/test before it asks the
 * project's own; once `directory` is gone it leads nowhere and Node passes it over.
 */
export async function packLibraries(directory) {
  const packages = join(directory, 'node_modules')
  const require = createRequire(import.meta.url)
  await Promise.all(
    LIBRARIES.map(async (name) => {
      mkdirSync(join(packages, name), { recursive: true })
      const main = require.resolve(name)
      await pack(join(packages, name, 'packed.js'), { entryPoints: [main], plugins: [noNumbers] })
      // tap has a default only, and is not to be loaded here: it would take this process for a test.
      const exported = name === 'tap' ? [] : Object.keys(require(name))
      const names = exported.filter((key) => /^[A-Za-z]\w*$/.test(key) && key !== 'default')
      // Never runs: Node reads from it what a module may import by name.
      const hint = `0 && (module.exports = { ${names.join(', ')} })\n`
      writeFileSync(join(packages, name, 'index.js'), launcher('packed.js', main) + hint)
    }),
  )
  const link = join(tests, 'node_modules')
  rmSync(link, { force: true })
  symlinkSync(packages, link)
  const training = join(directory, 'training.mjs')
  writeFileSync(training, LIBRARIES.map((name) => `import '${name}'`).join('\n') + TRAINING)
  await compile([...FLAGS, training])
}

async function packProgram(directory, name, main) {
  await pack(join(directory, `${name}.js`), {
    entryPoints: [join(broker, main)],
    // Native code, and what is hardly ever loaded.
    external: [
      'lmdb',
      'pino-pretty',
      'selfsigned',
      '@fastify/swagger',
      '@fastify/*-compiler',
      'light-my-request',
    ],
    define: { 'import.meta.url': '__filename', 'import.meta.dirname': JSON.stringify(broker) },
  })
  const program = join(directory, `${name}.cjs`)
  writeFileSync(program, launcher(`${name}.js`, join(broker, main)))
  return program
}

/** Zod's words in fifty languages, of which none is used. */
const noLocales = {
  name: 'no-locales',
  setup({ onLoad }) {
    onLoad({ filter: /\/zod\/v4\/locales\/index\.c?js$/ }, () => ({ contents: 'export {}' }))
  },
}

/** As the broker does (broker/engine.ts): a test has no use for 65,536 buffers either. */
const noNumbers = {
  name: 'no-numbers',
  setup({ onLoad }) {
    onLoad({ filter: /\/mqtt-packet\/mqtt\.js$/ }, ({ path }) => ({
      contents: `${readFileSync(path, 'utf8')}\nexports.writeToStream.cacheNumbers = false\n`,
    }))
  },
}

const pack = (outfile, options) =>
  build({
    plugins: [noLocales],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minifyWhitespace: true, // less to read; names stay as they are
    charset: 'ascii',
    supported: { 'dynamic-import': false }, // a script has no loader for it
    banner: { js: '(function (require, __filename, module, exports, __dirname) {' },
    footer: { js: '})' },
    logLevel: 'error',
    ...options,
  })

/** Starts a broker, and stops it when `use` is through. @throws when it does not start: no test could, then. */
async function runBroker(program, dataDir, use) {
  const child = spawnBroker({ PACKED_WRITES_CODE: 'yes', DATA_DIR: dataDir }, program)
  let used
  let said = ''
  createInterface({ input: child.stdout }).on('line', (text) => {
    said = text
    const line = JSON.parse(text)
    if (line.msg === 'ready') used = use(line).finally(() => child.kill('SIGTERM'))
  })
  await once(child, 'close')
  if (used === undefined) throw new Error(`the packed broker did not start: ${said}`)
  await used
}

async function compile(args, env = process.env) {
  const child = spawn(process.execPath, args, { env: { ...env, PACKED_WRITES_CODE: 'yes' }, stdio: 'ignore' })
  await once(child, 'close')
}

const TRAINING = `
import t from 'tap'
t.test('a', async (t) => {
  t.teardown(() => {})
  t.equal(1, 1)
  t.same({ a: 1 }, { a: 1 })
  t.strictSame([1], [1])
  t.match({ a: 'b' }, { a: /b/ })
  t.ok(true)
  await t.rejects(Promise.reject(new Error('c')), { message: 'c' })
})
`

/** Runs the packed file beside it as if it were `main`. */
const launcher = (packed, main) => `const { existsSync, readFileSync, writeFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { dirname, join } = require('node:path')
const { Script } = require('node:vm')
const filename = join(__dirname, ${JSON.stringify(packed)})
const main = ${JSON.stringify(main)}
const cacheFile = filename + '.cache'
const cachedData = existsSync(cacheFile) ? readFileSync(cacheFile) : undefined
// Under the name of what was packed, by which tap leaves its own lines out of a failure's report.
const script = new Script(readFileSync(filename, 'latin1'), { filename: main, cachedData })
if (process.env.PACKED_WRITES_CODE) process.on('exit', () => writeFileSync(cacheFile, script.createCachedData()))
script.runInThisContext()(createRequire(main), main, module, module.exports, dirname(main))
`

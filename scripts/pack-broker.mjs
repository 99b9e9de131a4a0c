// Packs dist/broker into one file with its compiled code beside it, for the tests: they start some 200 brokers, and
// most of what such a start costs is finding, reading and compiling 500 files. Nothing else uses this.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { spawnBroker } from '../dist/test/support/broker.js'

const main = new URL('../dist/broker/main.js', import.meta.url).pathname

/** Resolves with the program in `directory` that is to be started instead of dist/broker/main.js. */
export async function packBroker(directory) {
  await build({
    entryPoints: [main],
    outfile: join(directory, 'packed.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minifyWhitespace: true, // less to read; names stay as they are
    // Native code, and what is hardly ever loaded.
    external: [
      'lmdb',
      'pino-pretty',
      'selfsigned',
      '@fastify/swagger',
      '@fastify/*-compiler',
      'light-my-request',
    ],
    supported: { 'dynamic-import': false }, // a script has no loader for it
    define: { 'import.meta.url': '__filename', 'import.meta.dirname': '__brokerDir' },
    banner: { js: '(function (require, __filename, module, exports, __brokerDir) {' },
    footer: { js: '})' },
    logLevel: 'error',
  })
  const program = join(directory, 'broker.cjs')
  writeFileSync(program, LAUNCHER)
  await leaveCompiledCode(program, join(directory, 'data'))
  return program
}

/** Starts and stops one broker, so that V8 has compiled what that takes. */
async function leaveCompiledCode(program, dataDir) {
  const child = spawnBroker({ PACKED_WRITES_CODE: 'yes', DATA_DIR: dataDir }, program)
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => JSON.parse(line).msg === 'ready' && child.kill('SIGTERM'))
  await once(child, 'close')
}

const LAUNCHER = `const { existsSync, readFileSync, writeFileSync } = require('node:fs')
const { Script } = require('node:vm')
const filename = __dirname + '/packed.js'
const cacheFile = filename + '.cache'
const cachedData = existsSync(cacheFile) ? readFileSync(cacheFile) : undefined
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData })
if (process.env.PACKED_WRITES_CODE) process.on('exit', () => writeFileSync(cacheFile, script.createCachedData()))
const main = ${JSON.stringify(main)}
script.runInThisContext()(require('node:module').createRequire(main), main, { exports: {} }, {}, require('node:path').dirname(main))
`

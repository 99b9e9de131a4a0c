// Checks and builds the live page into dist/console, unless what it is made of is as it was the last time. Called by
// set-up, by `npm run build` and by the Dockerfile.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = new URL('..', import.meta.url).pathname
const stamp = join(root, 'dist/console/.stamp')
const hash = createHash('sha256')
for (const file of inputs()) hash.update(`${file}\0`).update(readFileSync(join(root, file)))
const wanted = hash.digest('hex')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  run('typescript/bin/tsc', '-p', 'console')
  run('vite/bin/vite.js', 'build', 'console')
  writeFileSync(stamp, wanted)
}

/** Everything in console/, and what it shares with the broker; versions of packages with the lock file. */
function inputs() {
  const own = readdirSync(join(root, 'console'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
  return [...own.toSorted(), 'http/console/wire.ts', 'http/console/hook-news.ts', 'package-lock.json']
}

function run(program, ...args) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', program), ...args], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) process.exit(1)
}

// Runs the compiled tests with tap: a line for each file, everything about a file that fails, and at the end
// `N passed, N failed` over all assertions. `npm test -- gate/framing store` runs the files whose path holds a word.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'

process.chdir(new URL('..', import.meta.url).pathname)
const words = process.argv.slice(2)
const files = testFiles('dist/test').filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word)),
)
if (files.length === 0) {
  process.stdout.write('no test file matches\n0 passed, 0 failed\n')
  process.exit(1)
}

const tap = spawn(process.execPath, ['node_modules/tap/dist/esm/run.mjs', '--reporter=tap', ...files], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
let details = []
let totals = { pass: 0, fail: 0 }
for await (const line of createInterface({ input: tap.stdout })) {
  const verdict = /^(not ok|ok) \d+ - (\S+\.test\.js)(.*)/.exec(line)
  const summary = /^# \{ (.*) \}/.exec(line)
  if (verdict) {
    if (verdict[1] === 'not ok') process.stdout.write(`${details.join('\n')}\n`)
    process.stdout.write(`${verdict[1]} ${relative('dist', verdict[2])}${verdict[3]}\n`)
    details = []
  } else if (summary) {
    for (const [, name, count] of summary[1].matchAll(/(\w+): (\d+)/g)) totals[name] = Number(count)
  } else {
    details.push(line)
  }
}
const code = await new Promise((resolve) =>
  tap.exitCode === null ? tap.once('close', resolve) : resolve(tap.exitCode),
)
// A file that crashed between two assertions fails the run although no assertion did.
const failed = totals.fail || (code === 0 ? 0 : 1)
process.stdout.write(`${totals.pass} passed, ${failed} failed\n`)
process.exitCode = failed > 0 || totals.pass === 0 ? 1 : 0

function testFiles(directory) {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(directory, name))
    .toSorted()
}

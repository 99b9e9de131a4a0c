import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/broker.js'

const FOLDERS = ['broker', 'auth', 'handlers', 'hooks', 'http', 'store', 'ops']

/** Put together where they are logged. */
const COMPOSED = [
  'telemetry dropped',
  'sos dropped',
  'publication to a foreign topic refused',
  'retained publication refused',
  'repeated log lines suppressed',
  ...['revoked users', 'gateways'].flatMap((what) => [
    `${what} cannot be read; the last known stay`,
    `${what} are read again`,
  ]),
  'gateway speaks for another node than before',
  'publication of a gateway to a topic that is none of its own dropped',
  'subscription of a gateway refused',
]

t.test('docs/logs.md has a row for every line that the broker can log, and for no other', async (t) => {
  const logged = new Set([...FOLDERS.flatMap(sourcesOf).flatMap(messagesIn), ...COMPOSED])
  t.ok(logged.size > 50)
  const rows = readFileSync(join(root, 'docs/logs.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `') && !line.startsWith('| `msg`'))
  const described = rows.flatMap((row) => {
    const cells = row.split('|').map((cell) => cell.trim())
    t.equal(cells.length, 6, `four cells: ${row}`)
    t.match(cells[2], /fatal|error|warn|info|debug|as theirs/)
    t.ok((cells[4] ?? '').length > 5)
    return [...(cells[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, msg]) => msg as string)
  })
  t.strictSame(described.toSorted(), [...logged].toSorted())
})

function sourcesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(root, folder, name), 'utf8'))
}

/** The last text among the arguments of each call of a logger. */
function messagesIn(source: string): string[] {
  return [...source.matchAll(/\blog\.(?:fatal|error|warn|info|debug|trace)\(/g)].flatMap((call) => {
    const from = call.index + call[0].length
    let depth = 1
    let to = from
    while (depth > 0 && to < source.length) {
      if ('({['.includes(source[to] as string)) depth++
      if (')}]'.includes(source[to] as string)) depth--
      to++
    }
    const texts = source.slice(from, to - 1).match(/'[^'\n]*'(?=,?\s*$)/)
    return texts ? [texts[0].slice(1, -1)] : []
  })
}

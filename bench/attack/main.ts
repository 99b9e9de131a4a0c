import { announce16Mb, announceLargest } from './announce-16-mb.js'
import type { Attack, Result } from './attack.js'
import { connectionFlood } from './flood.js'
import { loginTiming } from './login-timing.js'
import { returningOverTcp, returningOverTls } from './returning-phones.js'
import { floodsOfSignedUsers } from './signed-flood.js'
import { slowBodies, slowHeaders } from './slow-http.js'
import { startTarget } from './target.js'
import { announceHello, halfHello, silentTls, unfinishedTls } from './unfinished-tls.js'
import { tinyFragments, unfinishedFrame } from './websocket-frames.js'

const ATTACKS: Attack[] = [
  announce16Mb,
  announceLargest,
  silentTls,
  halfHello,
  announceHello,
  unfinishedTls,
  slowHeaders,
  slowBodies,
  tinyFragments,
  unfinishedFrame,
  connectionFlood,
  returningOverTcp,
  returningOverTls,
  ...floodsOfSignedUsers,
  loginTiming,
]

/**
 * `npm run attack [word …]`: each attack whose name holds a word, against a broker of its own, and one table at
 * the end. Exit code 1 when a limit does not hold.
 */
async function main(words: string[]): Promise<void> {
  const rows: [string, Result][] = []
  for (const { name, env, run } of ATTACKS) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue
    process.stderr.write(`${name} …\n`)
    const target = await startTarget(env)
    try {
      for (const result of await run(target)) rows.push([name, result])
    } finally {
      await target.stop()
    }
  }
  process.stdout.write(render(rows))
  process.exit(rows.every(([, result]) => holds(result)) ? 0 : 1)
}

function holds({ value, limit }: Result): boolean {
  return value < limit
}

function render(rows: [string, Result][]): string {
  const lines = rows.map(([name, result]) => {
    const { measured, value, limit, unit } = result
    const amount = (number: number) => `${Number(number.toPrecision(3))} ${unit}`.trim()
    return `| ${name} | ${measured} | ${amount(value)} | < ${amount(limit)} | ${holds(result) ? 'held' : 'NOT HELD'} |\n`
  })
  return `| attack | measured | value | limit | |\n|---|---|---|---|---|\n${lines.join('')}`
}

await main(process.argv.slice(2))

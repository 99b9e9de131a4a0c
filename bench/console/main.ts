import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { startShippedBroker } from '../support/shipped-broker.js'
import { measurePage } from './measure-page.js'

const HELP = `Weighs the live page, and measures it with a thousand open incidents.

  npm run console:figures [-- weight] [-- --screenshots docs/images]

Needs Chromium, on PATH or in CHROMIUM, for all but the weight. Exit code 1 when the page is too heavy.
`

/** Compressed, without the world's outline. */
const WEIGHT_MAX = 300_000
const INCIDENTS = 1_000

const args = process.argv.slice(2)
if (args.includes('--help')) {
  process.stdout.write(HELP)
  process.exit(0)
}
const isLight = weigh()
if (!args.includes('weight')) await measure()
process.exit(isLight ? 0 : 1)

function weigh(): boolean {
  const directory = new URL('../../console/', import.meta.url).pathname
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(html|js|css|json|svg|png|wav)$/.test(name),
  )
  let total = 0
  for (const name of files) {
    const bytes = readFileSync(join(directory, name))
    const packed = gzipSync(bytes, { level: 9 }).length
    if (name !== 'outline.json') total += packed
    print(`${name}: ${bytes.length} bytes, ${packed} compressed`)
  }
  print(`all but outline.json, compressed: ${total} bytes of at most ${WEIGHT_MAX}`)
  return total <= WEIGHT_MAX
}

async function measure(): Promise<void> {
  const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium'
  if (!existsSync(chromium)) {
    print('no Chromium: sudo apt-get install -y chromium, or CHROMIUM=/path')
    process.exit(1)
  }
  const dataDir = mkdtempSync(join(tmpdir(), 'connect-broker-console-'))
  const env = { WEBHOOK_NETWORKS: '127.0.0.0/8' }
  const broker = await startShippedBroker({ dataDir, env })
  const desk = createServer((request, response) => request.resume().on('end', () => response.end()))
  try {
    const { apps } = JSON.parse(readFileSync(join(dataDir, 'apps.json'), 'utf8')) as {
      apps: [{ appId: string; secrets: [string] }]
    }
    const at = args.indexOf('--screenshots')
    if (at >= 0) {
      await once(desk.listen(0, '127.0.0.1'), 'listening')
      const url = `http://127.0.0.1:${(desk.address() as AddressInfo).port}`
      const secrets = [`whsec_${randomBytes(32).toString('base64')}`]
      const file = join(dataDir, 'apps.json')
      writeFileSync(
        `${file}.new`,
        JSON.stringify({ apps: [{ ...apps[0], webhooks: [{ id: 'desk', url, secrets }] }] }),
      )
      renameSync(`${file}.new`, file)
    }
    const figures = await measurePage({
      chromium,
      ports: broker.ports,
      appId: apps[0].appId,
      secret: apps[0].secrets[0],
      incidents: INCIDENTS,
      screenshots: at < 0 ? null : (args[at + 1] ?? null),
    })
    for (const [name, value] of Object.entries(figures)) print(`${name}: ${value}`)
  } finally {
    broker.child.kill('SIGTERM')
    await once(broker.child, 'exit')
    desk.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

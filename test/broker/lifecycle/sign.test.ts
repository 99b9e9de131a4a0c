import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { packedProgram, root, startBroker, temporaryDirectory } from '../../support/broker.js'
import { runProgram } from '../../support/programs.js'
import { logIn } from '../../support/raw-client.js'

t.test('sign prints one line of JSON with which the user logs in', async (t) => {
  const broker = await startBroker(t)
  for (const externalUserId of ['alice', 'partner/user 42', 'a:b', 'zoë ☂']) {
    const { code, output } = await sign(t, broker.dataDir, ['--app', 'demo-app', '--user', externalUserId])
    t.equal(code, 0)
    t.match(output, /^\{.*\}\n$/, 'one line')
    const signed = JSON.parse(output) as { appId: string; externalUserId: string; userHash: string }
    t.strictSame(Object.keys(signed), ['appId', 'externalUserId', 'userHash'])
    t.equal(signed.externalUserId, externalUserId)
    const client = await logIn(t, broker.ports.mqtt, {
      username: `sdk:${signed.appId}:${externalUserId}`,
      password: signed.userHash,
    })
    client.socket.destroy()
  }
})

t.test(
  'contract 2: userHash is the lower-case hex HMAC-SHA256 of the external user id, and the newest secret signs',
  async (t) => {
    const dataDir = temporaryDirectory(t)
    const apps = [{ appId: 'x', secrets: ['old', 'new-schlüssel'], disabled: false }]
    writeFileSync(join(dataDir, 'apps.json'), JSON.stringify({ apps }))
    const { output } = await sign(t, dataDir, ['--app', 'x', '--user', 'user-ñ'])
    t.match(JSON.parse(output), {
      appId: 'x',
      userHash: createHmac('sha256', 'new-schlüssel').update('user-ñ').digest('hex'),
    })
  },
)

t.test('sign says in one line what is wrong, on standard error, and prints nothing else', async (t) => {
  const dataDir = temporaryDirectory(t)
  const empty = temporaryDirectory(t)
  const broken = temporaryDirectory(t)
  writeFileSync(
    join(dataDir, 'apps.json'),
    JSON.stringify({ apps: [{ appId: 'x', secrets: ['s3cr3t-value'] }] }),
  )
  writeFileSync(join(broken, 'apps.json'), '{"apps":[{"appId":"x","secrets":["s3cr3t-value"')
  const cases: [directory: string, args: string[], says: RegExp][] = [
    [dataDir, [], /^usage: sign --app <appId> --user <externalUserId>$/],
    [dataDir, ['--app', 'x'], /^usage: /],
    [dataDir, ['--user', 'alice'], /^usage: /],
    [dataDir, ['--app', 'y', '--user', 'alice'], /^--app: .* holds no app y$/],
    [dataDir, ['--app', 'x', '--user', ''], /^--user: /],
    [dataDir, ['--app', 'x', '--user', 'a'.repeat(256)], /^--user: /],
    [dataDir, ['--app', 'x', '--user', 'a', '--admin'], /--admin/],
    [empty, ['--app', 'x', '--user', 'a'], /^APPS_FILE: ENOENT/],
    [broken, ['--app', 'x', '--user', 'a'], /^APPS_FILE: not JSON/],
  ]
  for (const [directory, args, says] of cases) {
    const { code, output, errors } = await sign(t, directory, args)
    t.equal(code, 1, args.join(' '))
    t.equal(output, '')
    t.match(errors.trimEnd(), says)
    t.equal(errors.trimEnd().split('\n').length, 1, 'one line')
    t.notMatch(errors, 's3cr3t-value')
  }
})

function sign(t: Test, dataDir: string, args: string[]) {
  const env = { PATH: process.env.PATH, DATA_DIR: dataDir }
  const program = packedProgram('sign.cjs') ?? join(root, 'dist/broker/sign.js')
  return runProgram(t, process.execPath, [program, ...args], { env }).ended
}

import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { temporaryDirectory } from '../support/broker.js'
import { runCli } from '../support/cli.js'

const APPS_FILE = join(temporaryDirectory(t), 'apps.json')
const hash = (secret: string, user: string) => createHmac('sha256', secret).update(user).digest('hex')
writeFileSync(
  APPS_FILE,
  JSON.stringify({
    apps: [
      { appId: 'a', secrets: ['old-secret', 'new-secret'] },
      { appId: 'off', secrets: ['off-secret'], disabled: true },
    ],
  }),
)
const verify = (user: string, userHash: string, app = 'a') =>
  runCli(t, ['verify', '--app', app, '--user', user, '--hash', userHash], { APPS_FILE })

t.test('sign makes the hash that the contract describes, with the newest secret', async (t) => {
  const { code, output, json } = await runCli(t, ['sign', '--app', 'a', '--user', 'zoë ☂'], { APPS_FILE })
  t.equal(code, 0)
  t.match(output, /^\{.*\}\n$/)
  t.strictSame(json(), { appId: 'a', externalUserId: 'zoë ☂', userHash: hash('new-secret', 'zoë ☂') })
  t.match(await runCli(t, ['sign', '--app', 'none', '--user', 'x'], { APPS_FILE }), {
    code: 2,
    errors: /holds no app none/,
  })
})

t.test('verify tells an integrator what is wrong with a hash', async (t) => {
  t.match(await verify('alice', hash('new-secret', 'alice')), { code: 0, output: 'right\n' })
  t.match(await verify('alice', hash('old-secret', 'alice')), { code: 0, output: /older of two secrets/ })
  t.match(await verify('alice', hash('new-secret', 'bob')), { code: 1, output: /another user id/ })
  t.match(await verify('alice', hash('new-secret', 'alice').toUpperCase()), { code: 1, output: /lower case/ })
  t.match(await verify('alice', `Bearer ${hash('new-secret', 'alice')}`), {
    code: 1,
    output: /without "Bearer "/,
  })
  t.match(await verify('alice', 'abc'), { code: 1, output: /not 64 hexadecimal digits/ })
  t.match(await verify('alice', hash('off-secret', 'alice'), 'off'), {
    code: 1,
    output: /right, but the app is disabled/,
  })
})

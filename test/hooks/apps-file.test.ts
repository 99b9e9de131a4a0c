import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readAppsFile } from '../../auth/apps.js'
import { temporaryDirectory } from '../support/broker.js'
import { leaked } from '../support/secrets.js'
import { newSecret } from '../support/webhook-receiver.js'

const file = join(temporaryDirectory(t), 'apps.json')
const secret = newSecret()
const url = 'https://desk.example.org/a-path-that-is-a-secret?token=another-one'
const good = { id: 'desk', url, secrets: [secret] }

function read(webhooks: unknown): unknown {
  writeFileSync(file, JSON.stringify({ apps: [{ appId: 'app-a', secrets: ['secret of a'], webhooks }] }))
  return readAppsFile(file).get('app-a')?.webhooks
}

t.test('web hooks in the apps file are read as they stand there', async (t) => {
  t.strictSame(read([good]), [good])
  t.strictSame(read([]), [])
  t.strictSame(read(undefined), undefined)
  const rotating = { ...good, secrets: [secret, newSecret()] }
  t.strictSame(read([rotating, { ...good, id: 'Desk_2' }]), [rotating, { ...good, id: 'Desk_2' }])
})

t.test('whatever is odd about one is refused, by its place and never by its value', async (t) => {
  const short = `whsec_${Buffer.alloc(23).toString('base64')}`
  const bad: [string, unknown][] = [
    ['no list', good],
    ['a field too much', [{ ...good, disable: true }]],
    ['no id', [{ url, secrets: [secret] }]],
    ['an id with a slash', [{ ...good, id: 'a/b' }]],
    ['an empty id', [{ ...good, id: '' }]],
    ['an id twice', [good, good]],
    ['five of them', ['1', '2', '3', '4', '5'].map((id) => ({ ...good, id }))],
    ['no URL', [{ ...good, url: 'desk.example.org' }]],
    ['another scheme', [{ ...good, url: 'file:///etc/passwd' }]],
    ['a password in the URL', [{ ...good, url: 'https://name:password@desk.example.org/' }]],
    ['a fragment', [{ ...good, url: `${url}#fragment` }]],
    ['no secret', [{ ...good, secrets: [] }]],
    ['three secrets', [{ ...good, secrets: [secret, secret, secret] }]],
    ['a secret without its prefix', [{ ...good, secrets: [secret.slice(6)] }]],
    ['a secret that is no Base64', [{ ...good, secrets: [`whsec_${'%'.repeat(40)}`] }]],
    ['a secret that is too short', [{ ...good, secrets: [short] }]],
  ]
  for (const [what, webhooks] of bad) {
    let message = ''
    try {
      read(webhooks)
    } catch (error) {
      message = (error as Error).message
    }
    t.match(message, /^apps\.0\.webhooks/, what)
    t.equal(leaked(message, [secret, url]), undefined)
  }
})

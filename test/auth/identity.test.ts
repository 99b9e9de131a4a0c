import { execFileSync } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import { createUser, findSecret, readUsername, signUser } from '../../auth/identity.js'

const app = (secrets: string[], disabled = false) => ({ appId: 'demo-app', secrets, disabled })
const appIds = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !text.includes(':'))
const externalIds = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })

t.test(
  'contract 2: userHash is HMAC-SHA256 in lower-case hex, as RFC 4231 and openssl compute it',
  async (t) => {
    t.equal(
      signUser('Jefe', 'what do ya want for nothing?'),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      'test case 2 of RFC 4231',
    )
    for (const [secret, externalUserId] of [
      ['s3cret', 'user-7'],
      ['schlüssel', 'partner/user 42'],
      ['a b', 'Zoë 日本 😀'],
    ] as const) {
      const output = execFileSync('openssl', ['dgst', '-sha256', '-hmac', secret], { input: externalUserId })
      t.equal(signUser(secret, externalUserId), output.toString().trim().split(' ').at(-1), externalUserId)
    }
  },
)

t.test('contract 2: the user UUID is UUID v5 of app id and external user id', async (t) => {
  const namespace = Buffer.from('7a1f6f0e5a544b0e9a430c1d6c2f8e55', 'hex')
  fc.assert(
    fc.property(appIds, externalIds, (appId, externalUserId) => {
      const hash = createHash('sha1').update(namespace).update(`${appId}:${externalUserId}`).digest()
      hash[6] = ((hash[6] as number) & 0x0f) | 0x50
      hash[8] = ((hash[8] as number) & 0x3f) | 0x80
      const expected = hash
        .toString('hex', 0, 16)
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
      return createUser({ appId, externalUserId }).userId === expected
    }),
  )
  t.equal(
    createUser({ appId: 'demo-app', externalUserId: 'alice' }).userId,
    '46d49d3a-bd86-5992-8956-0955b96cc0c4',
    'and never changes: phones keep it',
  )
})

t.test('contract 2: one external user id is two users in two apps', async (t) => {
  fc.assert(
    fc.property(appIds, appIds, externalIds, (one, other, externalUserId) => {
      fc.pre(one !== other)
      const [a, b] = [one, other].map((appId) => createUser({ appId, externalUserId }))
      return a?.userId !== b?.userId
    }),
  )
  t.not(
    createUser({ appId: 'a', externalUserId: 'b:c' }).userId,
    createUser({ appId: 'b', externalUserId: 'c' }).userId,
    'and a colon in an external id does not move the border',
  )
})

t.test('contract 2: a username is split at its first two colons, whatever stands behind them', async (t) => {
  fc.assert(
    fc.property(appIds, externalIds, (appId, externalUserId) => {
      const name = readUsername(`sdk:${appId}:${externalUserId}`)
      return name?.appId === appId && name.externalUserId === externalUserId
    }),
  )
  t.same(readUsername('sdk:app:a:b:c'), { appId: 'app', externalUserId: 'a:b:c' })
  t.same(readUsername('sdk:app::'), { appId: 'app', externalUserId: ':' })
  t.same(readUsername('sdk:app:a%2Fb'), { appId: 'app', externalUserId: 'a%2Fb' }, 'not percent-decoded')
})

t.test('contract 2: what is no username is no identity', async (t) => {
  for (const username of [undefined, '', 'alice', 'sdk', 'sdk:', 'sdk:app', 'sdk::alice', 'sdk:app:'])
    t.equal(readUsername(username), null, String(username))
  for (const username of ['SDK:app:alice', ' sdk:app:alice', 'partner:app:alice', 'sdk;app;alice'])
    t.equal(readUsername(username), null, username)
  t.equal(readUsername(`sdk:app:${'é'.repeat(123)}`), null, '246 bytes')
  t.ok(readUsername(`sdk:app:${'x'.repeat(244)}`), '244 bytes')
})

t.test(
  'contract 2: the hash of either of two live secrets is right, of any other secret wrong',
  async (t) => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 2 }),
        fc.string({ minLength: 1 }),
        externalIds,
        (secrets, other, externalUserId) => {
          const isRight = (secret: string, disabled = false) => {
            const hash = createHmac('sha256', secret).update(externalUserId).digest('hex')
            return isUserHash(app(secrets, disabled), externalUserId, Buffer.from(hash))
          }
          return (
            secrets.every((secret) => isRight(secret)) &&
            !secrets.some((secret) => isRight(secret, true)) &&
            isRight(other) === secrets.includes(other)
          )
        },
      ),
    )
    for (const [secrets, of] of [
      [['x', 'x'], 'x'],
      [['x', 'y'], 'x'],
      [['x', 'y'], 'y'],
    ] as const)
      t.equal(
        findSecret(app([...secrets]), 'alice', Buffer.from(signUser(of, 'alice'))),
        of,
        `${secrets}: ${of}`,
      )
  },
)

t.test('contract 2: a password is the 64 lower-case digits and nothing else', async (t) => {
  const hash = signUser('secret', 'alice')
  const accepts = (password: Buffer | undefined) => isUserHash(app(['secret']), 'alice', password)
  t.equal(accepts(Buffer.from(hash)), true)
  for (const password of [
    hash.toUpperCase(),
    `Bearer ${hash}`,
    ` ${hash}`,
    `${hash} `,
    `${hash}\n`,
    `${hash}\0`,
    hash.slice(1),
    `${hash}0`,
    '',
    '0'.repeat(64),
    'é'.repeat(64),
  ])
    t.equal(accepts(Buffer.from(password)), false, JSON.stringify(password))
  t.equal(accepts(Buffer.from(hash, 'hex')), false, 'the 32 bytes themselves')
  t.equal(accepts(undefined), false, 'none')
})

t.test(
  'contract 2: no hash is right for an unknown app, not even one made with an empty secret',
  async (t) => {
    for (const secret of ['', 'no such app', 'secret'])
      t.equal(
        isUserHash(
          undefined,
          'alice',
          Buffer.from(createHmac('sha256', secret).update('alice').digest('hex')),
        ),
        false,
      )
  },
)

function isUserHash(...given: Parameters<typeof findSecret>): boolean {
  return findSecret(...given) !== null
}

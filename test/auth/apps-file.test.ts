import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { signUser } from '../../auth/identity.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import type { Broker, LogLine } from '../support/broker.js'
import { codeOf, connectPhone, refusedConnack } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { writeApps } from '../support/stored.js'
import type { AppEntry } from '../support/stored.js'

type Tap = Parameters<typeof startBroker>[0]

const FIRST = { appId: 'first-app', secrets: ['first-secret'] }
const SECOND = { appId: 'second-app', secrets: ['second-secret'] }
const THIRD = { appId: 'third-app', secrets: ['third-secret'] }

async function startWith(t: Tap, env: NodeJS.ProcessEnv = {}) {
  const file = writeApps(join(temporaryDirectory(t), 'apps.json'), [FIRST])
  return { file, broker: await startBroker(t, { env: { ...env, APPS_FILE: file } }) }
}

/** Resolves when a line that fits is logged from here on. */
function loggedNext(broker: Broker, fits: (line: LogLine) => boolean): Promise<LogLine> {
  const past = new Set(broker.log)
  return broker.logged((line) => !past.has(line) && fits(line))
}

/** Writes these apps, sends SIGHUP and waits until the broker has read them. */
async function reload(broker: Broker, file: string, apps: AppEntry[]): Promise<void> {
  const read = loggedNext(
    broker,
    ({ msg, apps: count }) => msg === 'apps file read again' && count === apps.length,
  )
  writeApps(file, apps)
  broker.child.kill('SIGHUP')
  await read
}

async function codeFor(
  t: Tap,
  broker: Broker,
  { appId, secrets }: typeof FIRST,
): Promise<number | undefined> {
  const connack = await refusedConnack(t, broker.ports.mqtt, {
    protocolVersion: 5,
    username: `sdk:${appId}:alice`,
    password: Buffer.from(signUser(secrets[0] as string, 'alice')),
  })
  return codeOf(connack)
}

const BROKEN: [what: string, content: string, reason: RegExp][] = [
  ['no JSON', '{"apps":[{"appId":"first-app","secrets":["leaky-secret"', /not JSON/],
  ['no list of apps', '{"leaky-secret":true}', /apps/],
  [
    'a secret that is no string',
    '{"apps":[{"appId":"first-app","secrets":[{"leaky-secret":1}]}]}',
    /secrets/,
  ],
  ['no secret', '{"apps":[{"appId":"first-app","secrets":[]}]}', /secrets/],
  ['three secrets', '{"apps":[{"appId":"a","secrets":["leaky-secret","b","c"]}]}', /two secrets/],
  ['an app id with a colon', '{"apps":[{"appId":"a:b","secrets":["leaky-secret"]}]}', /colon/],
  [
    'an app that stands twice',
    '{"apps":[{"appId":"a","secrets":["leaky-secret"]},{"appId":"a","secrets":["b"]}]}',
    /a stands twice/,
  ],
]

for (const store of ['embedded', 'redis']) {
  t.test(`with the ${store} store`, async (t) => {
    const env = store === 'redis' ? { REDIS_URL: (await startRedis(t)).url } : {}
    const { file, broker } = await startWith(t, env)
    const { mqtt } = broker.ports

    t.test(
      'design 5: on SIGHUP a new app works, events and all, and a disabled one is refused',
      async (t) => {
        t.equal(await codeFor(t, broker, SECOND), 0x87, 'not there yet')
        await reload(broker, file, [{ ...FIRST, disabled: true }, SECOND])
        t.equal(await codeFor(t, broker, FIRST), 0x87, 'disabled')
        const phone = await connectPhone(t, mqtt, broker.credentials('alice', 'second-app'))
        await phone.subscribe(phone.uuidTopic)
        await phone.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' })
        t.match((await phone.nextEvent()).event, { type: 'processed', appId: 'second-app' })
      },
    )
    if (store === 'redis') return

    t.test(
      'design 5: the apps file is read again when it changes, also when it is replaced by rename',
      async (t) => {
        const read = loggedNext(broker, ({ msg, apps }) => msg === 'apps file read again' && apps === 3)
        renameSync(writeApps(`${file}.new`, [FIRST, SECOND, THIRD]), file)
        await read
        const phone = await connectPhone(t, mqtt, broker.credentials('alice', 'third-app'))
        t.same(await phone.subscribe(phone.uuidTopic), [1])
      },
    )

    t.test('contract 2: a removed secret no longer lets anybody in, the new one does', async (t) => {
      await reload(broker, file, [{ ...FIRST, secrets: ['rotated-secret'] }])
      t.equal(await codeFor(t, broker, FIRST), 0x87)
      await connectPhone(t, mqtt, broker.credentials('alice', 'first-app', 'rotated-secret'))
    })

    t.test('design 5: a broken apps file keeps the old apps and says so, without a secret', async (t) => {
      await reload(broker, file, [FIRST])
      const stillIn = async (what: string) => {
        const phone = await connectPhone(t, mqtt, broker.credentials('alice', 'first-app', 'first-secret'))
        t.same(await phone.subscribe(phone.uuidTopic), [1], `first-app still works: ${what}`)
      }
      for (const [what, content, reason] of BROKEN) {
        const said = loggedNext(broker, (line) => reason.test(String(line.reason)))
        writeFileSync(file, content)
        broker.child.kill('SIGHUP')
        t.match(await said, { level: 'error', file, msg: /apps file is broken/ }, what)
        await stillIn(what)
      }
      const said = loggedNext(broker, ({ reason }) => /ENOENT/.test(String(reason)))
      rmSync(file)
      broker.child.kill('SIGHUP')
      await said
      await stillIn('no file at all')
      t.notMatch(JSON.stringify(broker.log), /leaky-secret|(first|second|third|rotated)-secret/)

      await reload(broker, file, [FIRST, SECOND])
      t.ok(await connectPhone(t, mqtt, broker.credentials('bob', 'second-app')), 'a good file is taken again')
    })
  })
}

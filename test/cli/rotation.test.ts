import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { askAgain } from '../support/ask-again.js'
import { startBroker } from '../support/broker.js'
import { runCli, settingsOf } from '../support/cli.js'
import { logIn } from '../support/raw-client.js'

t.test(
  'a secret is rotated in three steps while clients connect: none is refused, and afterwards the old hash is',
  async (t) => {
    const broker = await startBroker(t)
    const settings = settingsOf(broker)
    const secrets = () =>
      (
        JSON.parse(readFileSync(join(broker.dataDir, 'apps.json'), 'utf8')) as {
          apps: { secrets: string[] }[]
        }
      ).apps[0]!.secrets
    const [old] = secrets() as [string]
    /** What the partner's server signs with. */
    let signedWith = old
    let isOver = false
    const taken = { [old]: 0 }
    const clients = Promise.all(
      ['alice', 'bob', 'carol'].map(async (user) => {
        // oxlint-disable-next-line no-unmodified-loop-condition -- set below, once the rotation is over
        while (!isOver) {
          const secret = signedWith
          const client = await logIn(t, broker.ports.mqtt, broker.credentials(user, 'demo-app', secret))
          taken[secret] = (taken[secret] ?? 0) + 1
          client.socket.destroy()
          await askAgain() // the commands need the processor too
        }
      }),
    )
    const rounds = async (secret: string) => {
      const before = taken[secret] ?? 0
      while ((taken[secret] ?? 0) < before + 30) await askAgain()
    }
    const reads = () => broker.log.filter(({ msg }) => msg === 'apps file read again').length

    await rounds(old)
    t.equal((await runCli(t, ['apps', 'rotate', 'demo-app'], settings)).code, 0, '1: a second secret')
    const added = secrets()[1] as string
    await broker.logged(() => reads() === 1)
    await rounds(old)
    signedWith = added // 2: the partner's server signs with the new one
    await rounds(added)
    t.equal(
      (await runCli(t, ['apps', 'remove-secret', 'demo-app', '--oldest'], settings)).code,
      0,
      '3: the old one goes',
    )
    await broker.logged(() => reads() === 2)
    await rounds(added)
    isOver = true
    await clients
    t.equal(broker.log.filter(({ msg }) => msg === 'login refused').length, 0)
    t.ok((taken[old] ?? 0) >= 60 && (taken[added] ?? 0) >= 60)
    await t.rejects(logIn(t, broker.ports.mqtt, broker.credentials('alice', 'demo-app', old)), {
      message: 'CONNACK 5',
    })
  },
)

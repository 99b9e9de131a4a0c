import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBroker, temporaryDirectory } from '../../support/broker.js'
import { startRedisCluster } from '../../support/redis-cluster.js'
import { isReady, readinessUntil } from '../../support/readiness.js'
import { createWitnesses } from '../../support/redis-trouble.js'

// Three masters, and three apps whose keys are on one of them each.
const { url, nodes } = await startRedisCluster(t)
const appIds = await Promise.all(
  nodes.map(async (node) => {
    for (let n = 0; ; n++) if (await node.holds(`app-${n}`)) return `app-${n}`
  }),
)
const appsFile = join(temporaryDirectory(t), 'apps.json')
const apps = appIds.map((appId) => ({ appId, secrets: [`secret-of-${appId}`.padEnd(32, '-')] }))
writeFileSync(appsFile, JSON.stringify({ apps }))
const broker = await startBroker(t, { env: { REDIS_URL: url, APPS_FILE: appsFile } })
const witnesses = await Promise.all(
  nodes.map((node, i) => createWitnesses(t, broker, node, appIds[i] as string)),
)

t.test('the apps of a cluster are on all of its masters, and their sessions hear of every SOS', async (t) => {
  await readinessUntil(broker, isReady)
  for (const witness of witnesses) {
    for (let n = 0; n < 3; n++) await witness.report(t, 'alice', 'in a cluster')
    await witness.sendTelemetry(t, 'in a cluster')
  }
  for (const witness of witnesses) await witness.compare(t)
})

// One of the two first is whom readiness asks, and the others are whom it hears of.
for (const away of [0, 2]) {
  t.test(`a master is killed: SOS of app ${away} go to the journal, other apps notice nothing`, async (t) => {
    const others = witnesses.filter((_, i) => i !== away)
    await witnesses[away]!.liveThrough(t, {
      begin: () => nodes[away]!.stop('SIGKILL'),
      reason: new RegExp(
        `Redis takes no writes (for app ${appIds[away]} )?\\((that part of the cluster is away|no answer)`,
      ),
      async end() {
        for (const other of others) {
          for (let n = 0; n < 3; n++) await other.report(t, 'alice', 'meanwhile')
          await other.sendTelemetry(t, 'meanwhile')
          await other.compare(t)
        }
        await nodes[away]!.start()
      },
    })
    for (const other of others) {
      await other.report(t, 'alice', 'afterwards')
      await other.compare(t)
    }
  })
}

t.test('what a master has done before its reply is cut off happens once', async (t) => {
  const [witness, { proxy }] = [witnesses[1]!, nodes[1]!]
  proxy.become({ is: 'cut', word: 'evalsha' })
  for (let n = 0; n < 3; n++) {
    await witness.report(t, 'alice', 'whose reply is cut off')
    await witness.sendTelemetry(t, 'whose reply is cut off')
  }
  proxy.become({ is: 'clear' })
  await readinessUntil(broker, isReady)
  await witness.compare(t)
})

t.test('all masters are killed: journal, and recovery', async (t) => {
  await Promise.all(nodes.map((node) => node.stop('SIGKILL')))
  for (const witness of witnesses) {
    await witness.report(t, 'alice', 'without a cluster')
    await witness.sendTelemetry(t, 'without a cluster')
  }
  await readinessUntil(broker, ({ status }) => status === 'degraded')
  await Promise.all(nodes.map((node) => node.start()))
  await readinessUntil(broker, isReady)
  for (const witness of witnesses) await witness.compare(t)
})

t.test('SIGTERM while no master of the cluster answers: exit code 0', async (t) => {
  for (const { proxy } of nodes) proxy.become({ is: 'black hole' })
  for (const witness of witnesses) await witness.report(t, 'alice', 'without an answer')
  t.equal(await broker.stop('SIGTERM'), 0)
  t.equal(broker.log.at(-1)?.msg, 'stopped')
})

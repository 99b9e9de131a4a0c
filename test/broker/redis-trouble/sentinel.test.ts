import t from 'tap'
import { askAgain } from '../../support/ask-again.js'
import { startBroker } from '../../support/broker.js'
import { processIdOf } from '../../support/publishing.js'
import { startRedisSentinel } from '../../support/redis-sentinel.js'
import { createWitnesses } from '../../support/redis-trouble.js'

const sentinels = await startRedisSentinel(t)
const broker = await startBroker(t, { env: { REDIS_URL: sentinels.url } })
let master = await sentinels.master()
const witnesses = await createWitnesses(t, broker, {
  get client() {
    return master.client
  },
})

async function killMaster(): Promise<void> {
  // Redis replicates behind its answers: what a killed master had not passed on is not there afterwards.
  await sentinels.settled()
  await master.stop('SIGKILL')
}

async function untilFailover(): Promise<void> {
  const before = master
  while ((master = await sentinels.master()) === before) await askAgain()
}

t.test('the master is killed, and a Sentinel with it: journal, and recovery on the replica', async (t) => {
  await witnesses.liveThrough(t, {
    async begin() {
      // It takes connections, as a machine that is out of memory does, and answers nothing.
      sentinels.signalFirst('SIGSTOP')
      await killMaster()
    },
    reason: /Redis takes no writes/,
    end: untilFailover,
  })
})

t.test('the old master comes back as a replica and is needed again: journal, and recovery', async (t) => {
  sentinels.signalFirst('SIGCONT')
  await (await sentinels.replica()).start()
  await witnesses.liveThrough(t, { begin: killMaster, reason: /Redis takes no writes/, end: untilFailover })
})

t.test('SIGTERM while the master and a Sentinel are frozen: exit code 0', async (t) => {
  process.kill(await processIdOf(master), 'SIGSTOP')
  sentinels.signalFirst('SIGSTOP')
  await witnesses.report(t, 'alice', 'without an answer')
  t.equal(await broker.stop('SIGTERM'), 0)
  t.equal(broker.log.at(-1)?.msg, 'stopped')
})

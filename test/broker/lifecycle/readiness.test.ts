import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBroker, temporaryDirectory } from '../../support/broker.js'
import { runProgram } from '../../support/programs.js'
import { publishSos } from '../../support/publishing.js'
import { logIn } from '../../support/raw-client.js'
import { isReady, readinessUntil, readReadiness } from '../../support/readiness.js'

t.test(
  'a full disk under the embedded store is not ready, and says so before an SOS finds out',
  async (t) => {
    const dataDir = temporaryDirectory(t)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dataDir], { stdio: 'pipe' })
    } catch (error) {
      return t.pass('a small file system', { skip: String((error as { stderr?: Buffer }).stderr ?? error) })
    }
    t.teardown(() => execFileSync('umount', [dataDir]))
    const broker = await startBroker(t, { dataDir })
    t.ok(isReady(await readReadiness(broker)))
    const filler = join(dataDir, 'filler')
    t.throws(() => writeFileSync(filler, Buffer.alloc(2 * 1024 * 1024)), { code: 'ENOSPC' })
    t.match(await readReadiness(broker), {
      status: 'not-ready',
      reasons: [/^the store does not answer \(No space left on device/],
    })
    const client = await logIn(t, broker.ports.mqtt, broker.credentials('alice'))
    t.notOk(await publishSos(client, 1), 'no PUBACK')
    rmSync(filler)
    await readinessUntil(broker, isReady)
    t.ok(await publishSos(await logIn(t, broker.ports.mqtt, broker.credentials('alice')), 1))
    await broker.stop()
  },
)

t.test('an event loop that is too late to let anybody in is not ready', async (t) => {
  const broker = await startBroker(t, { env: { LOOP_LAG_MAX_MS: '5' } })
  for (;;) {
    // A process that is stopped is late; how long another program runs is long enough, sooner or later.
    broker.child.kill('SIGSTOP')
    await runProgram(t, process.execPath, ['-e', '']).ended
    broker.child.kill('SIGCONT')
    const { status, reasons } = await readReadiness(broker)
    if (status === 'ready') continue
    t.equal(status, 'not-ready')
    t.match(reasons, [
      /^the event loop is \d+ ms late: new connections are refused$/,
      /on the disk of this machine/,
    ])
    break
  }
  await readinessUntil(broker, isReady)
})

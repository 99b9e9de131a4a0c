import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBroker, temporaryDirectory } from '../../support/broker.js'
import { connectPhone } from '../../support/phone.js'

t.test(
  'the level in LOG_LEVEL_FILE is taken when the file changes and on SIGHUP; what is no level is not',
  async (t) => {
    const file = join(temporaryDirectory(t), 'level')
    writeFileSync(file, 'info\n')
    const broker = await startBroker(t, { env: { LOG_LEVEL_FILE: file } })

    writeFileSync(file, 'error\n')
    await broker.logged(({ msg, to }) => msg === 'log level changes' && to === 'error')
    await connectPhone(t, broker.ports.mqtt, broker.credentials('quiet'))

    writeFileSync(file, 'loud')
    broker.child.kill('SIGHUP')
    t.match(await broker.logged(({ msg }) => msg === 'LOG_LEVEL_FILE cannot be used; the level stays'), {
      level: 'error',
      reason: /^is none of fatal, error, /,
    })
    t.equal(broker.log.filter(({ msg }) => msg === 'login').length, 0, 'a login is no error')

    writeFileSync(file, 'info')
    broker.child.kill('SIGHUP')
    await broker.logged(({ msg, to }) => msg === 'log level changes' && to === 'info')
    await connectPhone(t, broker.ports.mqtt, broker.credentials('heard'))
    t.ok(await broker.logged(({ msg }) => msg === 'login'))
  },
)

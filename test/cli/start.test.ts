import t from 'tap'
import { temporaryDirectory } from '../support/broker.js'
import { cliProgram } from '../support/cli.js'
import { runProgram } from '../support/programs.js'

t.test('start runs the broker, which warns of a variable that is nearly a setting', async (t) => {
  const env = {
    PATH: process.env.PATH,
    DATA_DIR: temporaryDirectory(t),
    HOST: '127.0.0.1',
    MQTT_PORT: '0',
    MQTTS_PORT: 'off',
    HTTP_PORT: 'off',
    HTTPS_PORT: 'off',
    ADMIN_PORT: 'off',
    TELEMETRY_RATES: '5',
  }
  const program = runProgram(
    t,
    'sh',
    ['-c', `echo $$; exec "$0" "$@"`, process.execPath, cliProgram, 'start'],
    { env },
  )
  const output = await program.until((text) => text.includes('"ready"'))
  const [pid, ...lines] = output.trim().split('\n')
  const log = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(
    log.find(({ variable }) => variable !== undefined),
    {
      level: 'warn',
      variable: 'TELEMETRY_RATES',
      meant: 'TELEMETRY_RATE',
    },
  )
  t.match(
    log.find(({ msg }) => msg === 'ready'),
    { mqtt: Number, store: 'embedded' },
  )
  process.kill(Number(pid), 'SIGTERM')
  t.equal((await program.ended).code, 0)
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, temporaryDirectory } from '../../support/broker.js'
import { readMetric, runProgram, untilSubscribed } from '../../support/programs.js'

const ANY_PORTS = { MQTT_PORT: '0', MQTTS_PORT: '0', HTTP_PORT: '0', HTTPS_PORT: '0', ADMIN_PORT: '0' }

t.test('on a terminal it prints a demo session whose lines work as printed, in any directory', async (t) => {
  const cwd = temporaryDirectory(t)
  const env = { PATH: process.env.PATH, ...ANY_PORTS }
  // script(1) gives the broker a terminal.
  const command = `exec '${process.execPath}' '${join(root, 'dist/broker/main.js')}'`
  const broker = runProgram(t, 'script', ['-qec', command, '/dev/null'], { cwd, env })
  // Whatever becomes of the test, Ctrl-C ends the broker; to lose its terminal does not.
  t.teardown(async () => {
    broker.write('\u0003')
    await broker.ended
  })
  const screen = plain(await broker.until((text) => text.includes('Stop: Ctrl-C')))
  t.notMatch(screen, /^\{/m, 'no JSON lines on a terminal')
  t.match(screen, /app +demo-app/)
  t.match(screen, /user +alice/)
  const secret = /"([\w-]{43})"/.exec(readFileSync(join(cwd, 'data/apps.json'), 'utf8'))?.[1] as string
  t.notMatch(screen, secret, 'the secret stays in its file')

  const admin = Number(/"?admin"?\S*?[:=]\s*(\d+)/.exec(screen)?.[1])
  const lines = screen.match(/mosquitto_(pub|sub) .*/g) ?? []
  const [listen, sendSos, sendTelemetry, listenTls, sendSosTls, ...others] = lines as [string, ...string[]]
  t.equal(others.length, 0)
  // A second and third terminal, opened elsewhere.
  const elsewhere = temporaryDirectory(t)
  const shell = (line: string | undefined) =>
    runProgram(t, 'sh', ['-c', `exec ${line}`], { cwd: elsewhere, env })

  const listener = shell(listen)
  await untilSubscribed(admin, 2)
  t.match(await shell(sendSos).ended, { code: 0, errors: '' }, 'SOS')
  const events = readEvents(await listener.until((text) => text.split('\n').length === 3))
  t.strictSame(
    events.map(([topic, { type, userId }]) => [type, topic === `sos/events/${userId}`]),
    [
      ['processed', true],
      ['processed', true],
    ],
    'one event on each form of her topic',
  )
  t.equal(new Set(events.map(([topic]) => topic)).size, 2)
  t.match(await shell(sendTelemetry).ended, { code: 0, errors: '' }, 'telemetry')
  t.equal(await readMetric(admin, 'connect_broker_messages_total{kind="telemetry",outcome="accepted"}'), 1)

  const listenerTls = shell(listenTls)
  await untilSubscribed(admin, 3)
  t.match(await shell(sendSosTls).ended, { code: 0, errors: '' }, 'SOS over TLS')
  const [overTls] = readEvents(await listenerTls.until((text) => text.includes('\n')))
  t.match(overTls?.[1], { type: 'processed', userId: 'alice', incidentId: events[0]?.[1].incidentId })

  broker.write('\u0003')
  t.match(await broker.ended, { code: 0, output: /stopped/ }, 'Ctrl-C stops it, as printed')
})

function readEvents(output: string): [topic: string, event: Record<string, unknown>][] {
  return output
    .trim()
    .split('\n')
    .map((line) => {
      const space = line.indexOf(' ')
      return [line.slice(0, space), JSON.parse(line.slice(space)) as Record<string, unknown>]
    })
}

/** Without colours and carriage returns. */
function plain(screen: string): string {
  // oxlint-disable-next-line no-control-regex -- that is what colours are made of
  return screen.replace(/\u001b\[\d*m|\r/g, '')
}

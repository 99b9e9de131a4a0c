import t from 'tap'
import { startBroker } from '../../support/broker.js'
import { runProgram, untilSubscribed } from '../../support/programs.js'
import { sosPayload, timestampOf } from '../../support/publishing.js'
import { user } from '../../support/stores.js'

const broker = await startBroker(t)
let subscriptions = 0

for (const version of ['mqttv31', 'mqttv311', 'mqttv5']) {
  for (const transport of ['plain', 'tls'] as const) {
    t.test(
      `contract 1: mosquitto with ${version} over ${transport} sends an SOS and reads its events`,
      async (t) => {
        const name = `${version}-${transport}`
        const { userId } = user(name)
        const { username, password } = broker.credentials(name)
        const port = transport === 'tls' ? broker.ports.mqtts : broker.ports.mqtt
        const tls = transport === 'tls' ? ['--cafile', broker.caFile] : []
        const common = [
          '-h',
          '127.0.0.1',
          '-p',
          String(port),
          ...tls,
          '-V',
          version,
          '-u',
          username,
          '-P',
          password,
        ]
        const publish = (topic: string, n: number) =>
          runProgram(t, 'mosquitto_pub', [...common, '-q', '1', '-t', topic, '-m', sosPayload(n)]).ended

        const topics = ['-t', `sos/events/${userId}`, '-t', `sos/events/${name}`]
        const listener = runProgram(t, 'mosquitto_sub', [...common, '-q', '1', '-v', ...topics, '-C', '4'])
        await untilSubscribed(broker.ports.admin, (subscriptions += 2))
        t.match(await publish('sos/alerts', 1), { code: 0, errors: '' })
        t.match(await publish(`sos/alerts/${userId}`, 2), { code: 0, errors: '' })
        t.match(await publish(`tel/${name}/data`, 3), { code: 0, errors: '' })
        const { output } = await listener.ended
        const events = output
          .trim()
          .split('\n')
          .map((line) => {
            const [topic, json] = line.split(' ') as [string, string]
            const event = JSON.parse(json) as Record<string, unknown>
            return [topic, event.type, event.userId, event.occurredAt]
          })
        t.strictSame(
          events,
          [1, 2].flatMap((n) => [
            [`sos/events/${userId}`, 'processed', userId, timestampOf(n)],
            [`sos/events/${name}`, 'processed', name, timestampOf(n)],
          ]),
        )
      },
    )
  }
}

t.test('mosquitto with a wrong hash is refused in its own words', async (t) => {
  const { username } = broker.credentials('alice')
  for (const [version, says] of [
    ['mqttv311', /not authorised/i],
    ['mqttv5', /Not authorized/i],
  ] as const) {
    const login = ['-V', version, '-u', username, '-P', '0'.repeat(64)]
    const args = [
      '-h',
      '127.0.0.1',
      '-p',
      String(broker.ports.mqtt),
      ...login,
      '-t',
      'sos/alerts',
      '-m',
      '{}',
      '-q',
      '1',
    ]
    const { code, errors } = await runProgram(t, 'mosquitto_pub', args).ended
    t.not(code, 0)
    t.match(errors, says, version)
  }
})

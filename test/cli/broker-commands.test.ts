import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { createCertificate, writePair } from '../support/certificates.js'
import { runCli, settingsOf } from '../support/cli.js'
import { connectPhone } from '../support/phone.js'

interface Incident {
  id: string
  state: string
  user: { externalUserId: string }
}

const broker = await startBroker(t)
const settings = settingsOf(broker)
const cli = (...args: string[]) => runCli(t, args, settings)
// She sends no PINGREQ, however long the commands take.
const alice = await connectPhone(t, broker.ports.mqtt, broker.credentials('alice'), { keepalive: 0 })
await alice.subscribe(alice.uuidTopic)
await alice.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z', latitude: 41.4, longitude: 2.2 })
const { incidentId } = (await alice.nextEvent()).event as { incidentId: string }

t.test('incidents list and show tell what is open', async (t) => {
  const list = await cli('incidents', 'list')
  t.equal(list.code, 0)
  t.match(list.output, new RegExp(`^${incidentId} +active +\\S+ +alice +41.4,2.2 +1$`, 'm'))
  const { json } = await cli('incidents', 'list', '--json')
  t.match(json<{ incidents: Incident[] }>().incidents, [
    { id: incidentId, state: 'active', user: { externalUserId: 'alice' } },
  ])
  const show = await cli('incidents', 'show', incidentId)
  t.match(show.output, /^state: active$/m)
  t.match(show.output, /^points of its way: 1$/m)
  t.match(await cli('incidents', 'show', 'none'), { code: 1, errors: /\(404\)/ })
})

t.test('acknowledge and resolve reach the phone, and the audit says who did what when', async (t) => {
  t.match(await cli('incidents', 'acknowledge', incidentId, '--by', 'eve', '--note', 'ambulance sent'), {
    code: 0,
    output: `${incidentId} is acknowledged\n`,
  })
  t.match((await alice.nextEvent()).event, { type: 'acknowledged', incidentId })
  t.match(await cli('incidents', 'resolve', incidentId), { code: 0, output: `${incidentId} is resolved\n` })
  t.match((await alice.nextEvent()).event, { type: 'resolved', incidentId })
  t.match(await cli('incidents', 'list'), { code: 0, output: 'none\n' })
  t.match(
    await cli('incidents', 'acknowledge', incidentId),
    { code: 1 },
    'a closed one cannot be acknowledged',
  )

  const bob = await connectPhone(t, broker.ports.mqtt, broker.credentials('bob'))
  await bob.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' })
  const audit = await cli('audit', '--app', 'demo-app', '--incident', incidentId, '--json')
  const { steps } = audit.json<{
    steps: { who: string; what: string; note?: string; at: string; of: string }[]
  }>()
  t.match(steps, [
    { who: 'user alice', what: 'reported', of: 'alice' },
    { who: 'eve', what: 'acknowledged', note: 'ambulance sent' },
    { who: /^operator/, what: 'resolved' },
  ])
  t.equal(steps.length, 3, 'of this incident only')
  t.strictSame(
    steps.map(({ at }) => at).toSorted(),
    steps.map(({ at }) => at),
  )
  const all = await cli('audit')
  t.match(all.output, /user bob +reported +bob/)
  const newest = await cli('audit', '--limit', '1')
  t.match(newest.output.trim().split('\n'), [/^… and earlier ones: --limit 10$/, /^WHEN/, /user bob/])
  const dave = await connectPhone(t, broker.ports.mqtt, broker.credentials('dave'))
  await dave.publish('sos/alerts', { timestamp: '2026-05-01T10:00:00.000Z' })
  const first = await cli('incidents', 'list', '--limit', '1')
  t.match(first.output.trim().split('\n'), [/^INCIDENT/, / dave /, /^… and older ones: --limit 10$/])
})

t.test('sessions tells who is connected, kick ends them, and he may come back', async (t) => {
  const carol = await connectPhone(t, broker.ports.mqtt, broker.credentials('carol'))
  const sessions = await cli('sessions')
  t.match(sessions.output, /^alice +tcp +127\.0\.0\.1/m)
  const { json } = await cli('sessions', '--json', '--limit', '1')
  t.match(json<{ count: number; sessions: object[] }>(), {
    sessions: [{ user: { externalUserId: 'alice' } }],
  })
  t.equal(json<{ sessions: object[] }>().sessions.length, 1)

  t.match(await cli('kick', '--user', 'carol', '--by', 'eve'), { code: 0, output: '1 session ended\n' })
  t.match(await carol.closed(), { reasonCode: 0x98 })
  const { userId } = createUser({ appId: 'demo-app', externalUserId: 'carol' })
  t.ok(
    await broker.logged(
      ({ msg, by, userId: who }) => msg === 'session ended by an operator' && by === 'eve' && who === userId,
    ),
  )
  const again = await connectPhone(t, broker.ports.mqtt, broker.credentials('carol'))
  t.same(await again.subscribe(again.uuidTopic), [1])
  await alice.publish('tel/data', {
    timestamp: '2026-05-01T10:00:00.000Z',
    latitude: 1,
    longitude: 1,
    altitude: 0,
  })
})

t.test(
  'without HTTP the same goes over HTTPS, whose certificate is known by the file and not by its name',
  async (t) => {
    const overTls = await runCli(t, ['sessions', '--json'], { ...settings, HTTP_PORT: 'off' })
    t.match(overTls, { code: 0, output: /alice/ })
    // The right secret must not go to whoever happens to listen there.
    const wrongPlace = {
      ...settings,
      HTTP_PORT: 'off',
      ...writePair(temporaryDirectory(t), await createCertificate()),
    }
    t.match(await runCli(t, ['sessions'], wrongPlace), { code: 1, errors: /shows another certificate/ })
  },
)

t.test('what goes wrong is one line and exit code 1; a wrong command line is 2', async (t) => {
  t.match(await cli('incidents', 'list', '--app', 'none'), { code: 2, errors: /holds no app none/ })
  t.match(await cli('incidents', 'list', '--limit', 'many'), {
    code: 2,
    errors: /--limit: is a whole number/,
  })
  t.match(await cli('dance'), { code: 2, errors: /unknown command/ })
  t.match(await cli('--help'), { code: 0, output: /Exit codes: 0 done, 1 it failed/ })
  t.match(await cli('incidents', 'acknowledge', '--help'), {
    code: 0,
    output: /Examples:\n +\$ connect-broker incidents ack/,
  })
  const away = await runCli(t, ['sessions', '--json'], { ...settings, HTTP_PORT: '1' })
  t.match(away, { code: 1, errors: '' })
  t.match(away.json(), { error: { message: /does not answer on http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/ } })
})

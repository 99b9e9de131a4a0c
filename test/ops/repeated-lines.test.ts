import t from 'tap'
import { startBroker } from '../support/broker.js'
import { readMetrics } from '../support/metrics.js'
import { connectPhone } from '../support/phone.js'
import { sosPayload } from '../support/publishing.js'

const REPEATS = 150
const WRITTEN = 100

t.test(
  'a line that repeats is written a hundred times, then counted; every step of an SOS is written',
  async (t) => {
    const broker = await startBroker(t)
    const phone = await connectPhone(t, broker.ports.mqtt, broker.credentials('alice'))
    const lines = (fits: Record<string, unknown>) =>
      broker.log.filter((line) => Object.entries(fits).every(([name, value]) => line[name] === value))

    for (let n = 1; n <= REPEATS; n++) await phone.publish('sos/alerts', sosPayload(n))
    await Promise.all(Array.from({ length: REPEATS }, () => phone.subscribe('sos/events/somebody-else')))
    await phone.subscribe('#')
    await broker.logged(({ msg, why }) => msg === 'subscription refused' && why === 'wildcard')
    t.equal(lines({ msg: 'sos received' }).length, REPEATS)
    t.equal(lines({ msg: 'sos stored' }).length, REPEATS)
    t.equal(
      lines({ msg: 'subscription refused', why: 'not-own' }).length,
      WRITTEN,
      'and another reason comes through',
    )
    const read = await readMetrics(broker)
    t.equal(read('connect_broker_log_lines_suppressed_total', { level: 'warn' }), REPEATS - WRITTEN)

    // The end of the process is the end of the interval.
    t.equal(await broker.stop(), 0)
    t.match(lines({ msg: 'repeated log lines suppressed' }), [
      { level: 'warn', suppressed: REPEATS - WRITTEN, of: 'subscription refused', why: 'not-own' },
    ])
  },
)

t.test('a login over HTTP that is refused has its line, without what was sent', async (t) => {
  const { ports, logged } = await startBroker(t)
  const get = (path: string, headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${ports.http}/v1/${path}`, { headers })
  const user = { 'x-app-id': 'demo-app', 'x-user-id': 'alice', authorization: 'Bearer wrong' }
  t.equal((await get('sdk/me', user)).status, 401)
  const line = await logged(({ msg, surface }) => msg === 'http login refused' && surface === 'sdk')
  t.match(line, { level: 'warn', appId: 'demo-app', why: 'wrong-hash', address: '127.0.0.1' })
  const swapped = Buffer.from('the-secret:demo-app').toString('base64')
  t.equal((await get('backend/incidents', { authorization: `Basic ${swapped}` })).status, 401)
  const other = await logged(({ msg, surface }) => msg === 'http login refused' && surface === 'backend')
  t.match(other, { why: 'wrong-secret' })
  t.notMatch(JSON.stringify(other), /the-secret/)
})

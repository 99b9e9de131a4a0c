import t from 'tap'
import { backendOf, connectPhone, sdkOf, sosReport, startNodes } from '../support/api.js'
import { openEventStream } from '../support/event-stream.js'

for (const setup of ['embedded store', 'redis store'] as const) {
  t.test(
    `SIGTERM ends the broker with code 0 while readers of the event log are there; ${setup}`,
    async (t) => {
      const [broker] = await startNodes(t, setup)
      const user = sdkOf(broker, broker.credentials('user-7', 'app-a'))
      await user.post('/sos', sosReport())
      const streams = await Promise.all([1, 2, 3].map(() => openEventStream(t, broker)))
      for (const stream of streams) t.match((await stream.next())?.data, { type: 'processed' })
      const gone = await Promise.all([1, 2, 3].map(() => openEventStream(t, broker)))
      for (const stream of gone) stream.close() // left without a word
      const [last] = (await backendOf(broker).get('/events')).body.events ?? []
      const polled = backendOf(broker)
        .get(`/events?wait=60&after=${last?.id}`)
        .then(
          ({ status }) => status,
          (error: NodeJS.ErrnoException) => error.code,
        )
      const phone = await connectPhone(t, broker, broker.credentials('user-8', 'app-b'))
      await phone.report() // the poll was sent before this, and this is stored

      const code = await broker.stop()
      t.equal(code, 0)
      t.ok(broker.log.some(({ msg }) => msg === 'stopped'))
      t.notOk(
        broker.log.some(({ level }) => Number(level) >= 50),
        'no error in the log',
      )
      for (const stream of streams) t.equal(await stream.next(), null, 'the stream has ended')
      t.ok([200, 'ECONNRESET', 'ECONNREFUSED'].includes((await polled) ?? ''))
    },
  )
}

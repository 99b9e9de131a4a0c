import t from 'tap'
import { backendOf, connectPhone, eventLogOf, sdkOf, sosReport, startNodes } from '../support/api.js'
import { openEventStream } from '../support/event-stream.js'

for (const setup of ['embedded store', 'two nodes'] as const) {
  t.test(`with ${setup}`, async (t) => {
    const [one, two] = await startNodes(t, setup)
    await t.test('the event stream has no gap and no repeat across reconnects', async (t) => {
      const phones = await Promise.all(
        [one, two].map((node, i) => connectPhone(t, node, node.credentials(`user-${i}`, 'app-a'))),
      )
      const written = Promise.all(
        phones.map(async (phone) => {
          for (let i = 0; i < 100; i++) await phone.report()
        }),
      )
      const seen: string[] = []
      let connections = 0
      while (seen.length < 200) {
        const place = seen.length > 0 ? { lastEventId: seen.at(-1) ?? '' } : {}
        const stream = await openEventStream(t, connections++ % 2 ? one : two, place)
        t.match(stream.response.headers['content-type'], /^text\/event-stream/)
        // Whatever else of this connection is under way is thrown away, as when a network breaks.
        for (let i = 0; i < 37 && seen.length < 200; i++) {
          const event = await stream.next()
          if (!event) throw new Error('the stream ended')
          if (event.event !== event.data.type || event.id !== event.data.id) throw new Error('not its own id')
          seen.push(event.id)
        }
        stream.close()
      }
      await written
      const log = await eventLogOf(two)
      t.equal(log.length, 200)
      t.same(
        seen,
        log.map(({ id }) => id),
      )
      t.ok(connections >= 6, `${connections} connections`)
    })

    await t.test('an open stream gets what either node writes, and of its own app alone', async (t) => {
      const before = await eventLogOf(one)
      const stream = await openEventStream(t, two, { lastEventId: before.at(-1)?.id ?? '' })
      const other = await openEventStream(t, one, { appId: 'app-b' })
      for (const node of [one, two, one]) {
        const user = sdkOf(node, node.credentials('user-7', 'app-a'))
        const foreign = sdkOf(node, node.credentials('user-7', 'app-b'))
        const foreignReport = sosReport()
        await foreign.post('/sos', foreignReport)
        const report = sosReport()
        await user.post('/sos', report)
        const event = await stream.next()
        t.match(event?.data, { type: 'processed', appId: 'app-a', report: { timestamp: report.timestamp } })
        const theirs = await other.next()
        t.match(theirs?.data, { type: 'processed', appId: 'app-b' })
        t.equal(theirs?.data.report?.timestamp, foreignReport.timestamp)
        const cancelled = await backendOf(node).post(`/incidents/${event?.data.incidentId}/cancel`, {
          by: 'desk',
        })
        t.equal(cancelled.status, 200)
        t.match((await stream.next())?.data, {
          type: 'cancelled',
          by: 'desk',
          incidentId: event?.data.incidentId,
        })
      }
      const late = await openEventStream(t, one, { query: `?after=${(await eventLogOf(one)).at(-3)?.id}` })
      t.equal(
        (await late.next())?.id,
        (await eventLogOf(one)).at(-2)?.id,
        'without Last-Event-ID, after counts',
      )
    })
  })
}

t.test('a long stream keeps nothing of the batches behind it', async (t) => {
  const [broker] = await startNodes(t, 'embedded store')
  let complaints = ''
  broker.child.stderr?.on('data', (chunk: Buffer) => (complaints += chunk))
  const phone = await connectPhone(t, broker, broker.credentials('user-7', 'app-a'))
  const message = 'x'.repeat(2_000) // a batch of 100 is far more than a socket's buffer
  for (let i = 0; i < 24; i++) await Promise.all(Array.from({ length: 50 }, () => phone.report({ message })))
  const stream = await openEventStream(t, broker)
  for (let i = 0; i < 1_200; i++) {
    const event = await stream.next()
    if (event?.data.version !== i + 1) t.equal(event?.data.version, i + 1)
  }
  t.equal(await broker.stop(), 0)
  t.notMatch(complaints, /MaxListenersExceededWarning/)
})

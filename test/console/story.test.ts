import t from 'tap'
import { tellsOf } from '../../http/console/hook-news.js'
import { createStories } from '../../http/console/story.js'
import type { HookRow } from '../../http/console/wire.js'
import { keys } from '../../store/redis/keys.js'
import type { Incident, Store } from '../../store/store.js'
import { closeAs, countIn, createStorePlace, reportNumber, STORE_KINDS, user } from '../support/stores.js'

const ann = user('ann')

for (const kind of STORE_KINDS) {
  t.test(
    `${kind}: a story is told whole, and only what was added is read by whoever looks again`,
    async (t) => {
      const { open, redis } = await createStorePlace(t, kind)
      const store = await open()
      const tell = createStories(store.events)
      const versions = async () => (await tell(await openOf(store))).story.map(({ version }) => version)
      const reads = async () =>
        /cmdstat_xrange:calls=(\d+)/.exec((await redis?.client.info('commandstats')) ?? '')
      await countIn(store, user('somebody before'), reportNumber(0))
      await countIn(store, ann, reportNumber(0))
      await reportBusily(store)
      await countIn(store, ann, reportNumber(1))
      t.strictSame(await versions(), [1, 2])
      const before = Number((await reads())?.[1])
      t.strictSame(await versions(), [1, 2])
      await countIn(store, ann, reportNumber(2))
      t.strictSame(await Promise.all([versions(), versions()]), [
        [1, 2, 3],
        [1, 2, 3],
      ])
      if (redis)
        t.equal(Number((await reads())?.[1]), before + 1, 'once for all who ask, from where it was read to')
      const { appId, incidentId } = await openOf(store)
      await closeAs(store, ann, 'cancelled')
      const { story, isCut } = await tell((await store.incidents.read(appId, incidentId)) as Incident)
      t.strictSame([story.at(-1)?.type, isCut], ['cancelled', false])
    },
  )
}

t.test('a Redis that came back as it was earlier has its own story told', async (t) => {
  const { open, redis } = await createStorePlace(t, 'redis')
  const store = await open()
  const tell = createStories(store.events)
  await countIn(store, ann, reportNumber(0))
  const earlier = await redis!.client.dumpBuffer(keys.events('demo-app'))
  const incident = await openOf(store)
  await countIn(store, ann, reportNumber(1, { message: 'lost' }))
  t.equal((await tell(await openOf(store))).story.length, 2)
  await redis!.client.restore(keys.events('demo-app'), 0, earlier!, 'REPLACE')
  t.strictSame(
    (await tell(incident)).story.map(({ report }) => report?.message),
    [undefined],
  )
})

t.test('news of web hooks make a page read a story again only when they are about it', async (t) => {
  const incident = { id: 'one', updatedAt: '2026-05-01T10:00:00.000Z' }
  const [earlier, later] = ['2026-05-01T09:00:00.000Z', '2026-05-01T11:00:00.000Z']
  const hook: HookRow = {
    id: 'desk',
    target: 'https://desk.example',
    state: 'delivering',
    deliveredAt: earlier,
    failure: null,
    held: [],
    waiting: 0,
    waitingSince: null,
    deadLetters: 2,
    deadLettersDropped: 0,
    gapAt: null,
  }
  const held = (incidentId: string, after: string) => [{ incidentId, since: earlier, after }]
  const busy = { ...hook, deliveredAt: later, waiting: 9, waitingSince: later, held: held('another', '7-1') }
  const cases: [string, Partial<HookRow>, Partial<HookRow>, boolean][] = [
    ['others are delivered, wait and fail', {}, busy, false],
    ['an event of another is given up', {}, { deadLetters: 3 }, false],
    ['it begins to fail', {}, { held: held('one', '5-1') }, true],
    [
      'it fails on, and others are delivered',
      { held: held('one', '5-1') },
      { ...busy, held: held('one', '5-1') },
      false,
    ],
    ['its next event fails', { held: held('one', '5-1') }, { held: held('one', '6-1') }, true],
    ['it is taken after all', { held: held('one', '5-1') }, {}, true],
    ['it is no longer waited for', { waitingSince: earlier }, { waitingSince: later }, true],
    ['what was given up is sent again', {}, { deadLetters: 1 }, true],
  ]
  for (const [what, before, now, isNews] of cases)
    t.equal(tellsOf(incident, [{ ...hook, ...before }], [{ ...hook, ...now }]), isNews, what)
  t.ok(tellsOf(incident, [hook], [hook, { ...hook, id: 'new' }]), 'there is one more web hook')
})

async function openOf(store: Store): Promise<Incident> {
  return (await store.incidents.readOpen(ann)) as Incident
}

/** More events of others than are read in one go. */
async function reportBusily(store: Store): Promise<void> {
  await Promise.all(Array.from({ length: 600 }, (_, n) => countIn(store, user(`busy ${n}`), reportNumber(n))))
}
